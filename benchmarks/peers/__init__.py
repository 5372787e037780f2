TRAINER_PACKAGES = ("torch", "transformers", "accelerate", "seqeval", "sentencepiece", "protobuf")
