"""Self-supervised learning for language models: the package under the course.

The files stand in the order in which data flows, and import only from those before them:

``types`` → ``data`` → ``tokenization`` → ``masking`` → ``constant_masking`` → ``collation`` → ``packing`` → ``packing_plan`` → ``joined`` → ``streaming`` →
``sharding`` → ``distributed`` → ``alignment`` → ``task_encoding`` → ``task_stream`` → ``dropout`` → ``varlen`` → ``encoder`` → ``heads`` → ``transformers_encoder`` → ``task_heads`` → ``convert`` →
``pretrained`` → ``costs`` → ``scaling_costs`` → ``failures`` → ``objectives`` → ``task_objectives`` → ``optim`` → ``layer_rates`` → ``checkpoint`` → ``checkpoint_writer`` →
``evaluation`` → ``word_order`` → ``metrics`` → ``prediction`` → ``baselines`` → ``frozen_features`` → ``tracking`` →
``training_config`` → ``window`` → ``interruption`` → ``resuming`` → ``training`` → ``finetuning_config`` →
``finetuning`` → ``peft`` → ``pretraining`` → ``minilm_mlm`` → ``small_model`` → the command line, ``python -m course_lib``.

``hardware``, ``measuring`` and ``viz`` stand beside them. Nothing is imported here, so that ``import course_lib`` costs nothing: write
``from course_lib.masking import mask_tokens``.
"""

__version__ = "0.1.0"
