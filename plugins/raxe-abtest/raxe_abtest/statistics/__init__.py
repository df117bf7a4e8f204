"""The statistics, each module one idea; numbers in, numbers out, and only ``math`` underneath."""
