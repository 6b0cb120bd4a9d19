"""WHAT is true: frames and bytes in, frames and bytes out. No clock, disk, network, or Prefect."""
