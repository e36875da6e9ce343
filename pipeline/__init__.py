"""A distributed training pipeline for SegNet semantic segmentation."""
