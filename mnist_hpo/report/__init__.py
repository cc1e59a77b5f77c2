"""A study as one page for people: facts in, HTML and pictures out."""
