"""List the TensorFlow operations that a SavedModel may hold to be loaded.

A SavedModel is a program, and one from elsewhere may read files, call Python or open connections.
A list of what is forbidden is never complete, so this one says what is allowed, by class and with
the reason. An operation belongs here if it computes its outputs from its inputs and does nothing
else: no files, no network, no Python, no output to a terminal, no state that outlives the call or
that another model in the process could see. Our exports hold about a hundred of these; the others
are of the same classes, and earlier or later versions hold them.
"""

# Elementwise functions, products, convolutions and activations: numbers to numbers.
MATHEMATICS = """
Abs Acos Acosh Add AddN AddV2 Angle Asin Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2
BatchMatMulV3 BiasAdd BitwiseAnd BitwiseOr BitwiseXor Bucketize Ceil ClipByValue Conv2D Cos Cosh
Cross Cumprod Cumsum CumulativeLogsumexp DepthwiseConv2dNative Digamma Div DivNoNan Einsum Elu Erf
Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod FusedBatchNormV3 Inv Invert IsFinite IsInf IsNan
L2Loss LeakyRelu LeftShift Lgamma Log Log1p LogSoftmax MatMul Maximum Minimum Mod Mul MulNoNan
Ndtri Neg NextAfter Pow RealDiv Reciprocal Relu Relu6 RightShift Rint Round Rsqrt Selu Sigmoid Sign
Sin Sinh Softmax Softplus Softsign Sqrt Square SquaredDifference Sub Tan Tanh TruncateDiv
TruncateMod Xdivy Xlog1py Xlogy
"""

# Truth values, and the choice between two tensors by them.
COMPARISONS = """
ApproximateEqual Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr NotEqual
Select SelectV2
"""

# Many numbers to few.
REDUCTIONS = """
All Any ArgMax ArgMin AvgPool Bincount DenseBincount EuclideanNorm Max MaxPool Mean Min Prod
SegmentMax SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum
SegmentSumV2 Sum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum
"""

# Constants, and tensors put into another order, shape or type.
ARRAYS = """
BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Cast Concat ConcatOffset ConcatV2 Const
DepthToSpace Diag DiagPart DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Gather
GatherNd GatherV2 Identity IdentityN InvertPermutation LinSpace LowerBound MatrixBandPart
MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 MirrorPad OneHot OnesLike Pack Pad PadV2
ParallelDynamicStitch PlaceholderWithDefault PreventGradient Range Rank Reshape Reverse
ReverseSequence ReverseV2 Roll ScatterNd Shape ShapeN Size Slice Snapshot SpaceToBatchND
SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd TensorScatterMax
TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2
Transpose Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where
ZerosLike
"""

# Rows of unequal length, which texts are.
RAGGED = """
RaggedGather RaggedRange RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToTensor
RaggedTensorToVariant SparseReorder SparseReshape SparseToDense
"""

# Text in UTF-8 to code points, pieces and back.
STRINGS = """
AsString DecodeBase64 DecodeRaw EncodeBase64 ReduceJoin RegexFullMatch RegexReplace
StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower
StringNGrams StringSplit StringSplitV2 StringStrip StringToHashBucketFast StringToNumber
StringUpper Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript
UnicodeTranscode UnsortedSegmentJoin
"""

# Branches, loops and calls of functions, all of which are looked through too.
# `Assert` ends a call with an error. What it calls is named by an attribute that must be the name
# of a function of this graph's library.
CONTROL_FLOW = """
Assert Case If NoOp PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
StatelessWhile While
"""

# tf.TensorArray in a function: values that live as long as the call.
LISTS = """
EmptyTensorList TensorListConcatLists TensorListConcatV2 TensorListElementShape
TensorListFromTensor TensorListGather TensorListGetItem TensorListLength TensorListPopBack
TensorListPushBack TensorListPushBackBatch TensorListReserve TensorListResize
TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit
TensorListStack
"""

# TF.Text's normalizers and tokenizers; their models are attributes or inputs, not files.
TEXT = """
CaseFoldUTF8 FastBertNormalize FastWordpieceTokenizeWithOffsets FindSourceOffsets NormalizeUTF8
NormalizeUTF8WithOffsetsMap RegexSplitWithOffsets SentencepieceDetokenizeOp
SentencepieceIdToStringOp SentencepieceOp SentencepieceStringToIdOp SentencepieceTokenizeOp
SentencepieceTokenizeWithOffsetsOp SentencepieceVocabSizeOp SplitMergeTokenizeWithOffsets
TFText>ByteSplitByOffsets TFText>ByteSplitWithOffsets TFText>FastSentencepieceDetokenize
TFText>FastSentencepieceTokenize TFText>FastWordpieceDetokenize TFText>Utf8Binarize
TFText>WhitespaceTokenizeWithOffsetsV2 UnicodeScriptTokenizeWithOffsets
WhitespaceTokenizeWithOffsets
"""

# Reads of the model's own weights, whose handles are given to a function as arguments.
READS_WEIGHTS = """
ReadVariableOp ResourceGather ResourceGatherNd VarIsInitializedOp VariableShape
"""

COMPUTING = [MATHEMATICS, COMPARISONS, REDUCTIONS, ARRAYS, RAGGED, STRINGS]
CALLING = [CONTROL_FLOW, LISTS, TEXT, READS_WEIGHTS]
# What any function of a SavedModel may hold.
FUNCTION_OPS = frozenset(" ".join(COMPUTING + CALLING).split())
# What the graph around the functions may hold besides: its inputs, and the model's variables. Not
# within functions: a name given to `VarHandleOp` there would reach variables of other models.
GRAPH_OPS = FUNCTION_OPS | {"Placeholder", "VarHandleOp"}
# What the function may hold that TensorFlow puts into every SavedModel to write it again.
SAVE_OPS = FUNCTION_OPS | {"DisableCopyOnRead", "MergeV2Checkpoints", "SaveV2", "ShardedFilename"}
# What the function may hold by which a server reads the variables beside the graph.
RESTORE_OPS = FUNCTION_OPS | {"AssignVariableOp", "DisableCopyOnRead", "RestoreV2"}
