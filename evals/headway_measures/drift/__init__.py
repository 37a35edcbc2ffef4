"""Whether two windows of calls differ, in what, since when and for whom."""
