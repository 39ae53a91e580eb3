internal import Foundation

/// Ten steps of PyTorch's AdamW in float32 on 64 values: `Tests/Fixtures/gradients/adamw.json`.
package struct AdamWFixtures: Decodable, Sendable {
    package var cases: [Case]

    /// Settings, start, steps and what the optimizer held after the last of them.
    package struct Case: Decodable, Sendable, CustomStringConvertible {
        /// `plain`, `weight-decay`, `clipped` or `cosine`.
        package var name: String
        package var beta1: Double
        package var beta2: Double
        package var epsilon: Double
        /// Decoupled: a step multiplies the parameters by 1 - rate * decay first.
        package var weightDecay: Double
        /// The norm that gradients are scaled down to, by clipNorm / (norm + 1e-6); nil without clipping.
        package var clipNorm: Double?
        /// The rate before the schedule.
        package var learningRate: Double
        /// Steps of linear warm-up, (step + 1) / warmupSteps; nil where the rate is constant.
        package var warmupSteps: Int?
        /// What the cosine ends at, as a part of the rate; nil where the rate is constant.
        package var finalFraction: Double?
        package var start: Values
        package var steps: [Step]
        package var firstMoment: Values
        package var secondMoment: Values

        package var description: String { name }
    }

    /// A step.
    package struct Step: Decodable, Sendable {
        /// Before clipping.
        package var gradient: Values
        /// Of this step, with the schedule.
        package var learningRate: Double
        /// Euclidean, of the gradient before clipping, as PyTorch computes it in float32.
        package var norm: Double
        /// After the step.
        package var parameters: Values
    }

    /// Floats, exact: little-endian in base64.
    package struct Values: Decodable, Sendable {
        package var floats: [Float]

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            guard let data = Data(base64Encoded: try container.decode(String.self)),
                data.count.isMultiple(of: MemoryLayout<Float>.size)
            else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no floats in base64")
            }
            floats = data.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: MemoryLayout<Float>.size).map { offset in
                    let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                    return Float(bitPattern: UInt32(littleEndian: bits))
                }
            }
        }
    }

    /// All cases.
    package static let all: [Case] = {
        let file = "gradients/adamw.json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file))),
            let fixtures = try? JSONDecoder().decode(AdamWFixtures.self, from: data)
        else { preconditionFailure("Tests/Fixtures/\(file) cannot be read") }
        return fixtures.cases
    }()
}
