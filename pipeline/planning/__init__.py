"""Before training: proposes params for a folder of images, and estimates what a training costs."""
