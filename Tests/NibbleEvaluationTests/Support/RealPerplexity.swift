import Foundation
import NibbleTestSupport

/// What llama-perplexity measured of the real models: `Tests/Fixtures/real-perplexity.json`.
struct RealPerplexity: Decodable, Sendable {
    /// The text's sha256.
    var text: String
    var context: Int
    var chunks: Int
    var models: [String: Model]

    struct Model: Decodable, Sendable {
        /// Tokens of the text.
        var tokens: Int
        var types: [String: Measurement]
    }

    struct Measurement: Decodable, Sendable {
        /// Perplexity and its error.
        var final: [Double]
        /// Perplexity after each chunk.
        var running: [Double]
        /// Values and errors of the tables of a comparison with BF16; probabilities in percent.
        var divergence: [String: [Double]]?
        /// After each chunk values and errors of perplexity, ln(PPL(Q)/PPL(base)), KLD, RMS Δp, same top.
        var lines: [[Double]]?
    }

    static func read() throws -> RealPerplexity {
        let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("real-perplexity.json")))
        return try JSONDecoder().decode(RealPerplexity.self, from: data)
    }
}
