"""Forecast: the population of coming years by cohorts: births, deaths, migration."""
