"""Real models of each family, tiny and with random weights, saved as a user's would be."""

import string

import torch
import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = {token: n for n, token in enumerate([*SPECIAL, *string.printable])}
POSITIONS = 40


def save_tokenizer(folder, *, frame=True, padding_side="right", pad=True):
    """Save a tokenizer of single characters; `frame` puts [CLS] and [SEP] around a text."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    if frame:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", VOCABULARY["[CLS]"]), ("[SEP]", VOCABULARY["[SEP]"])]
        )
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"} | ({"pad_token": "[PAD]"} if pad else {})
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side=padding_side, **names)
    fast.save_pretrained(folder)


def _save(folder, model, **tokenizer):
    model.eval().save_pretrained(folder)
    save_tokenizer(folder, **tokenizer)
    return folder


def _wide(model):
    """Scale the weights up: those of a new model are so small that all texts come out nearly alike."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.mul_(8 if "embed" in name or "wte" in name or "shared" in name else 2)
    return model


def bert(folder, **tokenizer):
    torch.manual_seed(1)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
    config = transformers.BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=POSITIONS, **sizes)
    return _save(folder, _wide(transformers.BertModel(config)), **tokenizer)


def roberta(folder, **tokenizer):
    torch.manual_seed(2)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
    config = transformers.RobertaConfig(
        vocab_size=len(VOCABULARY), max_position_embeddings=POSITIONS, pad_token_id=0, type_vocab_size=1, **sizes
    )
    return _save(folder, _wide(transformers.RobertaModel(config)), **tokenizer)


def t5(folder, **tokenizer):
    torch.manual_seed(3)
    sizes = {"d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 3}
    config = transformers.T5Config(vocab_size=len(VOCABULARY), pad_token_id=0, decoder_start_token_id=0, **sizes)
    return _save(folder, _wide(transformers.T5ForConditionalGeneration(config)), **tokenizer)


def gpt(folder, **tokenizer):
    torch.manual_seed(4)
    sizes = {"n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": POSITIONS}
    config = transformers.GPT2Config(vocab_size=len(VOCABULARY), bos_token_id=2, eos_token_id=3, **sizes)
    return _save(folder, _wide(transformers.GPT2LMHeadModel(config)), frame=False, **tokenizer)


def llama(folder, **tokenizer):
    torch.manual_seed(5)
    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 3}
    config = transformers.LlamaConfig(vocab_size=len(VOCABULARY), max_position_embeddings=POSITIONS, **sizes)
    return _save(folder, _wide(transformers.LlamaForCausalLM(config)), frame=False, **tokenizer)
