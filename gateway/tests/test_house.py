"""What the house asks of every route of the control plane."""

from ndx_testing.house import house_tests

TestHouse = house_tests("gateway")
