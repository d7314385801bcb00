"""The tiny models of the encoders' tests, for those of tuning; no bars of other libraries."""

import os
import sys
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))
