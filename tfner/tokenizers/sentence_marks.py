"""Name the characters at which a sentence of raw text may end. No TensorFlow here."""

WIDE_ENDS = "。！？｡"  # of scripts that put no space behind them
ENDS = f".!?…।॥؟۔{WIDE_ENDS}"
LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"
