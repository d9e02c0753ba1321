"""Liveness and readiness, for the supervisor and the cluster."""

from typing import Literal

import asyncpg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from ndx_contracts.bodies import Output
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

router = APIRouter(tags=["health"])


class Health(Output):
    status: Literal["UP", "DOWN"]


@router.get("/health/live", include_in_schema=False)
async def show_liveness() -> Health:
    return Health(status="UP")


@router.get("/health/ready", include_in_schema=False)
async def show_readiness(request: Request) -> Response:
    runtime = request.app.state.runtime
    if runtime.leaving:
        return JSONResponse({"status": "DOWN", "part": "leaving"}, status_code=503)
    try:
        async with runtime.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, asyncpg.PostgresError):
        return JSONResponse({"status": "DOWN", "part": "database"}, status_code=503)
    return JSONResponse({"status": "UP"})
