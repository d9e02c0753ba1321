"""The embedded stack: every part of ndx on one machine under one supervisor."""
