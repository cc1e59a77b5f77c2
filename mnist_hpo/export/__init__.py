"""A finalized model in other formats, each checked against the model itself."""
