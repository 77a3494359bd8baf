"""Self-supervised learning for language models: the package under the course.

The folders stand in the order of the book, and a folder imports only from folders before it:

============================================================  ====================
``settings`` ``whole_files`` ``batch`` ``hardware``            the ground
``measuring`` ``viz``
``data`` ``tokenization`` ``masking`` ``batches``             II   text in
``encoder`` ``objectives`` ``gradients`` ``optimisation``     III  the mathematics
``distributed`` ``evaluation`` ``training`` ``generation``    IV   pre-training
``pretraining``
``finetuning`` ``peft`` ``shipped`` ``adaptation``            V    adaptation
``inside`` ``applications`` ``deployment``                    VI, VII, VIII
============================================================  ====================

Where a chapter lives; files in brackets come with their chapter:

===========================  =====================================================================
chapter                      folder or file
===========================  =====================================================================
01 why self-supervision      ``shipped``, ``evaluation.ngrams``, ``evaluation.held_out``
02 the recipe, end to end    ``pretraining.recipe``, then ``finetuning.tuning``
03 tokenization              ``tokenization``
04 masking                   ``masking``, ``batches.collation``
05 objectives                ``objectives``, ``evaluation.ngrams``, ``evaluation.likelihood``,
                             ``evaluation.information``
06 gradients                 ``gradients``
07 optimisation              ``optimisation``
08 the Transformer encoder   ``encoder``
09 MLM pre-training          ``pretraining``, ``training``, ``batches``
09b at the machine's limit   ``encoder.costs``, ``encoder.variable_length``, ``batches.packing``,
                             ``measuring``, ``hardware``
10 autoregressive models     ``generation``, ``objectives``, ``batches.causal`` [encoder/cache,
                             generation/sampling, decoding]
11 beyond masking            ``masking.replacement``, ``objectives`` [masking/denoising,
                             sentence_pairs, objectives/contrastive, pretraining/electra,
                             sentence_vectors]
12 ablations, scaling laws   ``pretraining`` [ablation, scaling_laws]
13 scaling out               ``distributed``
14 fine-tuning               ``finetuning``
15 PEFT                      ``peft``
16 prompting                 [adaptation/prompts, pattern_exploiting, contextual_calibration,
                             in_context]
17 small data                [adaptation/augmentation, adversarial, ensembles, pseudo_labels,
                             active_learning]
18 domain adaptation         [adaptation/continued_pretraining, new_words]
19 interpretability          [inside/probes, integrated_gradients, shapley, patching]
20 robustness                [inside/bias, calibration, memorisation]
21 knowledge, images         [inside/knowledge, image_text]
22 customer service          [applications/customer_service, retrieval]
23 opinion monitoring        [applications/opinion_stream]
24 recommendation            [applications/recommendation]
25 making it small           [deployment/pruning, quantisation, distillation, onnx]
26 serving                   [deployment/server, access, monitoring]
===========================  =====================================================================

What the pipeline needs is imported from a folder's face,
``from course_lib.masking import mask_tokens``; what is to be read, from its file,
``from course_lib.gradients.by_hand import softmax_backward``. Nothing is imported here, so that
``import course_lib`` costs nothing.
"""

__version__ = "2026.12"
