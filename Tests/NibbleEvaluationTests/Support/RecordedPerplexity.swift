import Foundation
import NibbleTestSupport

/// What llama-perplexity measured of a small model: `Tests/Fixtures/perplexity/tiny.json`.
struct RecordedPerplexity: Decodable, Sendable, CustomStringConvertible {
    var model: String
    var text: String
    var context: Int
    var stride: Int?
    var chunks: Int
    /// Of the BF16 file, with activations in BF16; the error is nil with a stride.
    var perplexity: Double
    var error: Double?
    /// Of the same weights in F32.
    var f32: Double
    var f32Error: Double?

    var description: String {
        "\(model), \(text), context \(context)" + (stride.map { ", stride \($0)" } ?? "")
    }

    var modelPath: String { Fixtures.path("hub/\(model).expected.gguf") }
    var textPath: String { Fixtures.path("texts/\(text).txt") }

    static let all: [RecordedPerplexity] = {
        let path = Fixtures.path("perplexity/tiny.json")
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)),
            let records = try? JSONDecoder().decode([RecordedPerplexity].self, from: data)
        else { preconditionFailure("\(path) cannot be read") }
        return records
    }()
}
