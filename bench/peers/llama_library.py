"""The C interface of llama.cpp, as bench/peers/install has compiled it, and what its workers share."""
import llama_cpp

FLASH = {"flash attention": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED,
         "no flash attention": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED}
VERSION = f"of llama-cpp-python {llama_cpp.__version__}"


@llama_cpp.llama_log_callback
def quiet(_level, _text, _data):
    """It tells a line for each tensor otherwise."""


def begin():
    llama_cpp.llama_log_set(quiet, None)
    llama_cpp.llama_backend_init()


def load(path, repack=True):
    """A model; its weights in the order that its products like best, or as the file has them."""
    params = llama_cpp.llama_model_default_params()
    params.use_extra_bufts = repack
    loaded = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not loaded:
        raise ValueError(f"llama.cpp cannot load {path}")
    return loaded
