"""Charts as SVG, drawn here. Pure: records in, text out. No browser, no plotting library."""
