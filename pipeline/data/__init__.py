"""From a data set to tiles: where images and masks come from, the download step and the tile step."""
