import Foundation
import Nibble

/// Speed of every codec at every instruction level, one thread, data in the second-level cache:
/// gigabytes of `Float` a second, median of seven runs.
@main
struct CodecBenchmark {
    static let columns = 4096
    static let rows = 16
    static let runs = 7

    static func main() throws {
        let levels = KernelLevel.available
        print("| codec | direction | " + levels.map { "\($0)" }.joined(separator: " | ") + " |")
        print("|---|---|" + levels.map { _ in "---:|" }.joined())
        for type in GGMLType.allCases {
            guard let codec = type.codec else { continue }
            if codec.canEncode {
                try row(codec.name, "encode", levels) { try encode(codec, importance: nil, level: $0) }
            }
            if codec.canEncode, codec.usesImportance {
                try row(codec.name, "encode, importance", levels) {
                    try encode(codec, importance: weights, level: $0)
                }
            }
            row(codec.name, "decode", levels) { decode(codec, level: $0) }
        }
    }

    private static func row(
        _ name: String, _ direction: String, _ levels: [KernelLevel], measure: (KernelLevel) throws -> Double
    ) rethrows {
        let cells = try levels.map { String(format: "%.2f", try measure($0)) }
        print("| \(name) | \(direction) | " + cells.joined(separator: " | ") + " |")
    }

    private static let values: [Float] = {
        var generator = SystemRandomNumberGenerator()
        return (0..<columns * rows).map { _ in
            // A sum of uniforms: near enough to the bell curve of weights.
            (0..<6).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &generator) } * 0.02
        }
    }()

    private static let weights: [Float] = (0..<columns).map { Float($0 % 7) + 0.5 }

    private static func encode(_ codec: any Codec, importance: [Float]?, level: KernelLevel) throws -> Double
    {
        var bytes = [UInt8](repeating: 0, count: (codec.byteCount(columns: columns) ?? 0) * rows)
        return try gigabytesPerSecond {
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            try codec.encode(
                values.span, columns: columns, importance: importance?.span, into: &raw, level: level)
        }
    }

    private static func decode(_ codec: any Codec, level: KernelLevel) -> Double {
        // Zero bytes decode as fast as any: no decoder looks at the values.
        let bytes = [UInt8](repeating: 0, count: (codec.byteCount(columns: columns) ?? 0) * rows)
        var floats = [Float](repeating: 0, count: columns * rows)
        return gigabytesPerSecond {
            var span = floats.mutableSpan
            codec.decode(bytes.span.bytes, columns: columns, into: &span, level: level)
        }
    }

    private static func gigabytesPerSecond(_ work: () throws -> Void) rethrows -> Double {
        try work()
        var speeds: [Double] = []
        for _ in 0..<runs {
            var count = 0
            let start = ContinuousClock.now
            var elapsed = 0.0
            repeat {
                try work()
                count += 1
                elapsed = start.duration(to: .now) / .seconds(1)
            } while elapsed < 0.05
            speeds.append(Double(count * columns * rows * 4) / elapsed / 1e9)
        }
        return speeds.sorted()[runs / 2]
    }
}
