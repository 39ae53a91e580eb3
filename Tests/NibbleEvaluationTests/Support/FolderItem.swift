import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport

/// Something that a hub folder may have or lack: put in, taken out or changed.
struct FolderItem: Sendable, CustomStringConvertible {
    let description: String
    /// Changes the folder; false where the item does not apply to it.
    let apply: @Sendable (HubFolder) throws -> Bool

    init(_ description: String, _ apply: @escaping @Sendable (HubFolder) throws -> Bool) {
        self.description = description
        self.apply = apply
    }

    static let all = tensors + tokenizerFiles + tokens + otherFiles + configuration

    // MARK: - Tensors

    private static let tensors: [FolderItem] = [
        FolderItem("head absent") { folder in
            try folder.editTensors { tensors in
                let count = tensors.count
                tensors.removeAll { $0.name.hasSuffix("lm_head.weight") }
                return tensors.count < count
            }
        },
        FolderItem("head equal") { try addHead($0, scale: 1) },
        FolderItem("head different") { try addHead($0, scale: 2) },
        FolderItem("says tied") { folder in
            try folder.editConfiguration { $0["tie_word_embeddings"] = true }
            return true
        },
        FolderItem("says untied") { folder in
            try folder.editConfiguration { $0["tie_word_embeddings"] = false }
            return true
        },
        FolderItem("biases of query, key and value") { folder in
            try addBiases(folder, ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])
        },
        FolderItem("bias of the attention's output") { try addBiases($0, ["self_attn.o_proj"]) },
        FolderItem("biases of the feed-forward layer") {
            try addBiases($0, ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"])
        },
        FolderItem("rows of padding") { folder in
            try folder.editTensors { tensors in
                guard let name = tensors.name(ending: "embed_tokens.weight"),
                    let index = tensors.firstIndex(where: { $0.name == name })
                else { return false }
                let width = tensors[index].bytes.count / tensors[index].shape[0]
                tensors[index].shape[0] += 3
                tensors[index].bytes += [UInt8](repeating: 0, count: 3 * width)
                return true
            }
        },
        FolderItem("a matrix of F64") { folder in
            try folder.editTensors { tensors in
                guard let name = tensors.name(ending: "mlp.up_proj.weight"),
                    let index = tensors.firstIndex(where: { $0.name == name })
                else { return false }
                let doubles = tensors[index].floats.flatMap { value in
                    withUnsafeBytes(of: Double(value).bitPattern.littleEndian) { Array($0) }
                }
                (tensors[index].type, tensors[index].bytes) = (.f64, doubles)
                return true
            }
        },
        FolderItem("shards without an index") { folder in
            try folder.splitIntoShards()
            return true
        },
    ]

    private static func addHead(_ folder: HubFolder, scale: Float) throws -> Bool {
        try folder.editTensors { tensors in
            guard let name = tensors.name(ending: "embed_tokens.weight"),
                let embedding = tensors.first(where: { $0.name == name })
            else { return false }
            tensors.removeAll { $0.name.hasSuffix("lm_head.weight") }
            var head = embedding
            head.name = "lm_head.weight"
            if scale != 1 {
                head = .init(
                    name: head.name, shape: head.shape,
                    floats: embedding.floats.enumerated().map { $1 * ($0 % 3 == 0 ? scale : 1) })
            }
            tensors.append(head)
            return true
        }
    }

    private static func addBiases(_ folder: HubFolder, _ kinds: [String]) throws -> Bool {
        try folder.editTensors { tensors in
            for kind in kinds {
                for tensor in tensors where tensor.name.hasSuffix(kind + ".weight") {
                    let name = String(tensor.name.dropLast(6)) + "bias"
                    guard !tensors.contains(where: { $0.name == name }) else { return false }
                    let values = (0..<tensor.shape[0]).map { Float($0 % 7 - 3) / 8 }
                    tensors.append(.init(name: name, shape: [tensor.shape[0]], floats: values))
                }
            }
            return true
        }
    }

    // MARK: - Files of the tokenizer

    private static let tokenizerFiles =
        [
            "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
            "added_tokens.json", "generation_config.json", "merges.txt", "README.md",
        ].map { name in FolderItem("without \(name)") { try $0.remove(name) } } + [
            FolderItem("special_tokens_map.json") { folder in
                try folder.write(#"{"pad_token": "<|new-pad|>"}"#, to: "special_tokens_map.json")
                return true
            },
            FolderItem("vocab.json and merges.txt alone") { folder in
                guard folder.has("tokenizer.json"), !folder.has("tokenizer.model") else { return false }
                let json = try folder.json("tokenizer.json")
                guard let model = json["model"] as? [String: Any], let vocabulary = model["vocab"],
                    let merges = model["merges"] as? [Any]
                else { return false }
                let lines = merges.map { ($0 as? [String])?.joined(separator: " ") ?? "\($0)" }
                try folder.edit("vocab.json") { $0 = vocabulary as? [String: Any] ?? [:] }
                try folder.write("#version: 0.2\n" + lines.joined(separator: "\n") + "\n", to: "merges.txt")
                return try folder.remove("tokenizer.json")
            },
        ]

    // MARK: - Tokens

    private static let tokens: [FolderItem] = [
        FolderItem("added_tokens.json with new tokens") { folder in
            let next = try count(folder)
            try folder.edit("added_tokens.json") {
                $0["<think>"] = next
                $0["[5A]"] = next + 1
            }
            return true
        },
        FolderItem("added_tokens_decoder with new tokens") { folder in
            let next = try count(folder)
            try folder.edit("tokenizer_config.json") { object in
                var decoder = object["added_tokens_decoder"] as? [String: Any] ?? [:]
                decoder["\(next)"] = ["content": "<tool_call>", "special": false]
                decoder["\(next + 1)"] = ["content": "<|end|>", "special": true]
                object["added_tokens_decoder"] = decoder
            }
            return true
        },
        FolderItem("additional_special_tokens") { folder in
            try folder.edit("tokenizer_config.json") {
                $0["additional_special_tokens"] = ["<|extra|>", "<|more|>"]
            }
            return true
        },
        FolderItem("a pad token of its own") { folder in
            try folder.edit("tokenizer_config.json") { $0["pad_token"] = "<|pad|>" }
            return true
        },
        FolderItem("an end of another text") { folder in
            try folder.edit("tokenizer_config.json") { $0["eos_token"] = "<|stop|>" }
            return true
        },
        FolderItem("flags that contradict tokenizer.json") { folder in
            guard folder.has("tokenizer.json") else { return false }
            let added = try folder.json("tokenizer.json")["added_tokens"] as? [[String: Any]] ?? []
            guard let last = added.last, let id = last["id"], let content = last["content"],
                let special = last["special"] as? Bool
            else { return false }
            try folder.edit("tokenizer_config.json") { object in
                var decoder = object["added_tokens_decoder"] as? [String: Any] ?? [:]
                decoder["\(id)"] = ["content": content, "special": !special]
                object["added_tokens_decoder"] = decoder
            }
            return true
        },
        FolderItem("ids out of range") { folder in
            try folder.editConfiguration {
                $0["eos_token_id"] = 99999
                $0["bos_token_id"] = 88888
                $0["pad_token_id"] = 77777
            }
            return true
        },
        FolderItem("a list of ends") { folder in
            try folder.editConfiguration { $0["eos_token_id"] = [2, 5] }
            return true
        },
        FolderItem("adds a token at the end") { folder in
            try folder.edit("tokenizer_config.json") { $0["add_eos_token"] = true }
            return true
        },
        FolderItem("adds no space before") { folder in
            try folder.edit("tokenizer_config.json") { $0["add_prefix_space"] = false }
            return true
        },
        FolderItem("a tokenizer of Unigram") { folder in
            guard folder.has("tokenizer.json") else { return false }
            try folder.edit("tokenizer.json") { object in
                var model = object["model"] as? [String: Any] ?? [:]
                model["type"] = "Unigram"
                object["model"] = model
            }
            return true
        },
        FolderItem("a normalizer") { folder in
            guard folder.has("tokenizer.json") else { return false }
            try folder.edit("tokenizer.json") { $0["normalizer"] = ["type": "Lowercase"] }
            return true
        },
    ]

    /// The number after the last that a file gives to a token.
    private static func count(_ folder: HubFolder) throws -> Int {
        var numbers: [Int] = []
        if folder.has("tokenizer.json") {
            let json = try folder.json("tokenizer.json")
            let model = json["model"] as? [String: Any]
            numbers += (model?["vocab"] as? [String: Int] ?? [:]).values
            numbers += (json["added_tokens"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? Int }
        }
        for name in ["added_tokens.json", "vocab.json"] where folder.has(name) {
            numbers += try folder.json(name).values.compactMap { $0 as? Int }
        }
        if folder.has("tokenizer_config.json") {
            let decoder = try folder.json("tokenizer_config.json")["added_tokens_decoder"]
            numbers += (decoder as? [String: Any] ?? [:]).keys.compactMap(Int.init)
        }
        return (numbers.max() ?? 0) + 1
    }

    // MARK: - Templates, index, configuration

    private static let otherFiles: [FolderItem] = [
        FolderItem("chat_template.jinja") { folder in
            try folder.write("{{ messages[0].content }}", to: "chat_template.jinja")
            return true
        },
        FolderItem("chat_template.json") { folder in
            try folder.write(#"{"chat_template": "{{ messages }}"}"#, to: "chat_template.json")
            return true
        },
        FolderItem("a template of null") { folder in
            try folder.edit("tokenizer_config.json") { $0["chat_template"] = NSNull() }
            return true
        },
        FolderItem("named templates") { folder in
            try folder.write("{{ tools }}", to: "additional_chat_templates/tool use.jinja")
            return true
        },
        FolderItem("an index beside a single file") { folder in
            guard folder.has("model.safetensors") else { return false }
            let map = try folder.tensors.map { ($0.name, "weights.safetensors") }
            try FileManager.default.copyItem(
                atPath: folder.file("model.safetensors"), toPath: folder.file("weights.safetensors"))
            try folder.edit("model.safetensors.index.json") {
                $0["weight_map"] = Dictionary(uniqueKeysWithValues: map)
            }
            return true
        },
    ]

    private static let configuration: [FolderItem] = [
        scaling("linear", ["rope_type": "linear", "factor": 4.0]),
        scaling("yarn", ["rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16]),
        scaling(
            "yarn with an attention factor",
            [
                "type": "yarn", "rope_type": "yarn", "factor": 4.0, "attention_factor": 1.5,
                "original_max_position_embeddings": 16,
            ]),
        scaling(
            "yarn with other betas",
            ["rope_type": "yarn", "factor": 4.0, "beta_fast": 8, "original_max_position_embeddings": 16]),
        scaling(
            "llama3",
            [
                "rope_type": "llama3", "factor": 3.3, "low_freq_factor": 1.3, "high_freq_factor": 3.7,
                "original_max_position_embeddings": 16,
            ]),
        scaling("dynamic", ["rope_type": "dynamic", "factor": 2.0]),
        field("an empty quantization_config", "quantization_config", [:] as [String: Int]),
        field("attention_bias", "attention_bias", true),
        field("bidirectional attention", "use_bidirectional_attention", true),
        field("a context of 8 tokens", "max_position_embeddings", 8),
        field("another type of model", "model_type", "mistral"),
    ]

    private static func scaling(_ name: String, _ value: [String: any Sendable]) -> FolderItem {
        FolderItem("rope scaling \(name)") { folder in
            try folder.editConfiguration {
                $0["rope_parameters"] = nil
                $0["rope_scaling"] = value
            }
            return true
        }
    }

    private static func field(_ name: String, _ field: String, _ value: any Sendable) -> FolderItem {
        FolderItem(name) { folder in
            try folder.editConfiguration { $0[field] = value }
            return true
        }
    }
}

extension HubFolder.Tensor {
    /// The values of a tensor of F32, F16 or BF16.
    var floats: [Float] {
        let size = type == .f32 ? 4 : 2
        return stride(from: 0, to: bytes.count, by: size).map { place in
            if size == 4 {
                return Float(
                    bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
                )
            }
            let bits = UInt16(bytes[place]) | UInt16(bytes[place + 1]) << 8
            return type == .bf16 ? Half.float(bf16: bits) : Float(Float16(bitPattern: bits))
        }
    }
}
