/// The metadata keys of a GGUF tokenizer (gguf-py, constants.py).
enum TokenizerKey {
    static let model = "tokenizer.ggml.model"
    static let preTokenizer = "tokenizer.ggml.pre"
    static let tokens = "tokenizer.ggml.tokens"
    static let scores = "tokenizer.ggml.scores"
    static let kinds = "tokenizer.ggml.token_type"
    static let merges = "tokenizer.ggml.merges"
    static let beginning = "tokenizer.ggml.bos_token_id"
    static let end = "tokenizer.ggml.eos_token_id"
    static let unknown = "tokenizer.ggml.unknown_token_id"
    static let padding = "tokenizer.ggml.padding_token_id"
    static let endOfTurn = "tokenizer.ggml.eot_token_id"
    static let addsBeginning = "tokenizer.ggml.add_bos_token"
    static let addsEnd = "tokenizer.ggml.add_eos_token"
    static let addsSpacePrefix = "tokenizer.ggml.add_space_prefix"
    static let chatTemplate = "tokenizer.chat_template"
    static let chatTemplateNames = "tokenizer.chat_templates"
}
