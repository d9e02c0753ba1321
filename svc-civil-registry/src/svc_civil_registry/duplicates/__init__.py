"""Rules that say when two births may be one."""
