"""Datasets: where they come from, how far they are trusted, and who may see the test part.

`sources` is the door: `development` for every command, `open_test_set` for `finalize` alone.
"""
