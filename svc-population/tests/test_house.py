"""What the house asks of every route of this service."""

from ndx_testing.house import house_tests

TestHouse = house_tests("svc_population")
