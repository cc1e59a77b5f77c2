"""What bars are drawn with."""

DONE, REST = "━", "─"
"""Heavy and light, so that they differ without colours."""

PLAIN = {DONE: "#", REST: "-"}
"""The same where only ASCII can be shown."""
