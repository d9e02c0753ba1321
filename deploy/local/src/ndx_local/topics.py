"""Command: create the declared Kafka topics; those that exist are left as they are."""

import asyncio
import os
import time

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from ndx_chassis.settings import kafka_client
from ndx_contracts.topics import TOPICS, Topic


def _new(topic: Topic, replicas: int) -> NewTopic:
    settings = {"cleanup.policy": "compact" if topic.compacted else "delete"}
    if topic.retention_ms is not None:
        settings["retention.ms"] = str(topic.retention_ms)
    return NewTopic(topic.name, topic.partitions, replicas, topic_configs=settings)


async def create(servers: str, *, replicas: int = 1, wait_seconds: float = 60) -> None:
    """Create what is missing, waiting for the brokers if they are still starting."""
    deadline = time.monotonic() + wait_seconds
    while True:
        client = AIOKafkaAdminClient(**kafka_client(servers))
        try:
            await client.start()
            present = set(await client.list_topics())
            missing = [_new(topic, replicas) for topic in TOPICS if topic.name not in present]
            if missing:
                await client.create_topics(missing)
        except (KafkaError, OSError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)
        else:
            return
        finally:
            await client.close()


if __name__ == "__main__":
    asyncio.run(
        create(
            os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            replicas=int(os.environ.get("KAFKA_TOPIC_REPLICAS", "1")),
        )
    )
