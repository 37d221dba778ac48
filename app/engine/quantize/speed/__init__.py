"""What makes a finished INT8 file faster on one device: layers that stay in float, and exact changes of its layout.

Speed belongs to the *set* of float layers, not to each (accuracy.md §5.6): a float layer between integer ones pays for the
conversions at its borders. So the kernels of the FP32 and the INT8 file are timed (`costs`), a minimum cut proposes contiguous
regions (`regions`), and what is kept is decided by races between whole files (`search`).
"""
