import Foundation
import NibbleTestSupport

@testable import NibbleEvaluation

/// What llama-perplexity measured and printed: `Tests/Fixtures/perplexity/divergence.json`.
struct RecordedDivergence: Decodable {
    var context: Int
    var chunks: Int
    /// The final estimate of the base model's run.
    var base: String
    /// Perplexity of the base model after each chunk.
    var running: [String]
    var lines: [String]
    var table: String
    /// Values and errors in double precision.
    var figures: [String: [Double]]
    var records: [Record]

    struct Record: Decodable {
        var token: TokenDivergence

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            token = TokenDivergence(
                nll: try values.decode(Double.self), baseNll: try values.decode(Double.self),
                divergence: try values.decode(Double.self),
                probabilityDifference: try values.decode(Double.self), sameTop: try values.decode(Bool.self))
        }
    }

    /// The file of the base model's logits.
    static let logits = Fixtures.path("perplexity/llama2-spm.logits")

    static func read() throws -> RecordedDivergence {
        let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("perplexity/divergence.json")))
        return try JSONDecoder().decode(RecordedDivergence.self, from: data)
    }

    /// Compares what was printed with `text`: the same words in lines of the same length, and numbers that differ
    /// by a unit in the last place printed or 5e-6 of themselves, because llama.cpp multiplies the numbers of single
    /// tokens in single precision.
    static func agrees(_ text: String, withPrinted printed: String) -> Bool {
        let (lines, expected) = (
            text.split(separator: "\n", omittingEmptySubsequences: false),
            printed.split(separator: "\n", omittingEmptySubsequences: false)
        )
        return lines.count == expected.count
            && zip(lines, expected).allSatisfy { $0.count == $1.count && agrees(words($0), words($1)) }
    }

    private static func words(_ line: Substring) -> [Substring] { line.split { $0 == " " || $0 == "%" } }

    private static func agrees(_ words: [Substring], _ expected: [Substring]) -> Bool {
        words.count == expected.count
            && zip(words, expected).allSatisfy { word, expected in
                guard let value = Double(word), let number = Double(expected) else { return word == expected }
                let digits = expected.split(separator: ".").dropFirst().first?.count ?? 0
                return abs(value - number) <= max(1.01 * pow(10, -Double(digits)), 5e-6 * abs(number))
            }
    }

    /// The records of one chunk.
    func records(chunk: Int) -> ArraySlice<Record> {
        let count = records.count / chunks
        return records[chunk * count..<(chunk + 1) * count]
    }
}
