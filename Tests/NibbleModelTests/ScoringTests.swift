import Foundation
import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Scores of texts")
struct ScoringTests {
    private static let precisions = Precision.allCases.filter(\.isSupported)

    private func model(_ name: String, _ precision: Precision, threads: Int = 2) throws -> LanguageModel {
        try LanguageModel(
            ModelCheckpoint(path: Fixtures.path(name)),
            compute: Compute(threads: threads, precision: precision))
    }

    private func sequences(_ count: Int, length: Int, vocabulary: Int) -> [[Int32]] {
        var generator = SeededGenerator(seed: 7)
        return (0..<count).map { _ in
            (0..<length).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &generator) }
        }
    }

    @Test("equal a softmax in Double over all logits", arguments: precisions)
    func softmax(precision: Precision) throws {
        let model = try model("hub-logits/gemma3-linear-softcap", precision)
        let base = try self.model("hub-logits/gemma3-window", precision)
        try #require(model.vocabularySize == base.vocabularySize)
        let texts = sequences(3, length: 37, vocabulary: model.vocabularySize)
        let positions = 18..<36
        let targets = texts.map { Array($0[19...]) }
        let pass = try ScoringPass([base, model], sequences: texts, positions: positions)
        let scores = pass.scores(try pass.sums(targets: targets))
        for (sequence, text) in texts.enumerated() {
            for (index, position) in positions.enumerated() {
                let p = try logProbabilities(base, text, position)
                let q = try logProbabilities(model, text, position)
                let target = Int(targets[sequence][index])
                let (first, second) = (scores[0][sequence][index], scores[1][sequence][index])
                #expect(abs(first.negativeLogLikelihood + p[target]) < Self.bound)
                #expect(abs(second.negativeLogLikelihood + q[target]) < Self.bound)
                let divergence = zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
                #expect(abs(second.divergence - divergence) < Self.bound)
                #expect(first.divergence == 0)
                #expect(Int(first.top) == p.indices.max { p[$0] < p[$1] })
            }
        }
    }

    /// Exponentials are good to 2 units in the last place of a Float, and some hundred are added; a batch of other
    /// size may add the terms of an F32 product in another order, which moves logits of size 30 by some 1e-5.
    private static let bound = 1e-4

    private func logProbabilities(_ model: LanguageModel, _ text: [Int32], _ position: Int) throws -> [Double]
    {
        let logits = try model.logits(of: text, position: position).map(Double.init)
        let largest = logits.max() ?? 0
        let sum = logits.reduce(0) { $0 + exp($1 - largest) }
        return logits.map { $0 - largest - log(sum) }
    }

    @Test("are the same bits for 1, 2 and 3 threads", arguments: precisions)
    func threads(precision: Precision) throws {
        let texts = sequences(2, length: 70, vocabulary: 300)
        let results = try [1, 2, 3].map { threads in
            try model("hub-logits/qwen3-tied", precision, threads: threads).scores(
                sequences: texts, positions: 0..<69, targets: texts.map { Array($0.dropFirst()) })
        }
        #expect(results[0] == results[1])
        #expect(results[0] == results[2])
    }

    @Test("do not depend on what else is in the batch", arguments: precisions)
    func batch(precision: Precision) throws {
        let model = try model("hub-logits/llama-rope-biases", precision)
        let texts = sequences(3, length: 48, vocabulary: model.vocabularySize)
        let targets = texts.map { Array($0[24...]) }
        let together = try model.scores(sequences: texts, positions: 23..<47, targets: targets)
        for index in texts.indices {
            let alone = try model.scores(
                sequences: [texts[index]], positions: 23..<47, targets: [targets[index]])
            #expect(alone[0] == together[index])
        }
    }

    @Test("A token beyond the vocabulary is an error")
    func tokenOutOfRange() throws {
        let model = try model("hub-logits/qwen3-tied", .f32)
        let size = model.vocabularySize
        #expect(throws: ModelError.tokenOutOfRange(token: size, vocabularySize: size, path: model.path)) {
            try model.scores(sequences: [[0, Int32(size)]], positions: 0..<1, targets: [[1]])
        }
    }

    @Test("NaN is reported with the first block that gives it", arguments: precisions)
    func nonFinite(precision: Precision) throws {
        let folder = try TemporaryFolder()
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            let path = Fixtures.path("hub-logits/qwen3-tied/" + name)
            if FileManager.default.fileExists(atPath: path) { try folder.write(contents(path), to: name) }
        }
        let source = try SafetensorsFile(path: Fixtures.path("hub-logits/qwen3-tied/model.safetensors"))
        var bytes = try contents(source.file.path)
        let tensor = try #require(source.tensors.first { $0.name == "model.layers.1.mlp.down_proj.weight" })
        // Quiet NaN as F32.
        bytes.replaceSubrange(
            tensor.range.lowerBound..<tensor.range.lowerBound + 4, with: [0, 0, 0xC0, 0x7F])
        try folder.write(bytes, to: "model.safetensors")
        let model = try LanguageModel(
            ModelCheckpoint(path: folder.path), compute: Compute(threads: 1, precision: precision))
        let expected = ModelError.nonFinite(
            layer: 1, layerCount: model.configuration.layerCount, path: folder.path)
        #expect(throws: expected) {
            try model.scores(sequences: [[1, 2, 3]], positions: 0..<2, targets: [[2, 3]])
        }
    }

    @Test("NaN in the head of one of several models is reported with its path", arguments: precisions)
    func nonFiniteHead(precision: Precision) throws {
        let folder = try TemporaryFolder()
        let whole = try model("hub/qwen3.expected.gguf", precision)
        let source = try GGUFFile(path: whole.path)
        var bytes = try contents(whole.path)
        let tensor = try #require(source.tensors.first { $0.name == "output.weight" })
        // Quiet NaN as BF16.
        bytes.replaceSubrange(tensor.range.lowerBound..<tensor.range.lowerBound + 2, with: [0xC0, 0x7F])
        let path = try folder.write(bytes, to: "nan.gguf")
        let damaged = try LanguageModel(ModelCheckpoint(path: path), compute: whole.compute)
        let count = damaged.configuration.layerCount
        for models in [[damaged], [whole, damaged], [damaged, whole]] {
            #expect(throws: ModelError.nonFinite(layer: count, layerCount: count, path: path)) {
                try ScoringPass(models, sequences: [[1, 2, 3]], positions: 0..<2).sums(targets: [[2, 3]])
            }
        }
    }
}
