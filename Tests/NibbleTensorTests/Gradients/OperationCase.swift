import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

/// An operation of the tape, and the same in Double.
struct OperationCase: Sendable, CustomTestStringConvertible {
    /// `[sequence][position][feature]`
    typealias Batch = [[[Double]]]

    let name: String
    /// Features of each input.
    var inputs: [Int] = []
    /// Values and columns of each parameter.
    var parameters: [(count: Int, columns: Int)] = []
    /// The operation on inputs and parameters.
    let run: @Sendable (Compute, Size, [Tensor], [ParameterValues], Tape) -> Tensor
    /// What it computes.
    let reference: @Sendable (Size, [Batch], [[Double]]) -> Batch

    /// Of a batch.
    struct Size: Sendable, CustomTestStringConvertible {
        var sequences: Int
        var length: Int

        var testDescription: String { "\(sequences) sequences of \(length)" }

        /// One panel and several, full and not, of both widths of BF16 and of F32.
        static let all = [
            Size(sequences: 1, length: 1), Size(sequences: 3, length: 10), Size(sequences: 2, length: 40),
            Size(sequences: 2, length: 130),
        ]

        /// A token for every place, some of them more than once.
        var tokens: [[Int32]] {
            (0..<sequences).map { sequence -> [Int32] in
                (0..<length).map { position -> Int32 in Int32((position * (position + 7) + sequence) % 23) }
            }
        }
    }

    var testDescription: String { name }

    static let all: [OperationCase] = [
        normalize, linear, add, gather, embed, gated(.silu), gated(.geluTanh),
        heads(norm: false, interleaved: false), heads(norm: false, interleaved: true),
        heads(norm: true, interleaved: false), heads(norm: true, interleaved: true),
        attention(window: nil), attention(window: 7), attention(window: 1),
    ]

    // MARK: - Operations

    static let epsilon: Float = 1e-3

    static let normalize = OperationCase(
        name: "normalize", inputs: [24], parameters: [(24, 24)],
        run: { compute, _, x, p, tape in
            compute.normalize(x[0], weight: p[0].vector, epsilon: epsilon, tape: tape)
        },
        reference: { _, x, p in map(x[0]) { _, x in DoubleReference.norm(x, p[0], epsilon: epsilon) } })

    /// W x + b + V x: an input that meets two matrices gets the sum of two gradients.
    static let linear = OperationCase(
        name: "linear", inputs: [20], parameters: [(53 * 20, 20), (53, 53), (53 * 20, 20)],
        run: { compute, _, x, p, tape in
            let (w, v) = (p[0].matrix(), p[2].matrix())
            let operand = compute.operand(x[0], for: w, v)
            let y = compute.linear(operand, w, bias: p[1].vector, tape: tape)
            return compute.add(compute.linear(operand, v, tape: tape), to: y, tape: tape)
        },
        reference: { _, x, p in
            map(x[0]) { _, x in
                let (y, z) = (DoubleReference.product(p[0], x), DoubleReference.product(p[2], x))
                return y.indices.map { y[$0] + p[1][$0] + z[$0] }
            }
        })

    static func gated(_ activation: Activation) -> OperationCase {
        OperationCase(
            name: "gated, \(activation)", inputs: [20], parameters: [(37 * 20, 20), (37 * 20, 20)],
            run: { compute, _, x, p, tape in
                let (gate, up) = (p[0].matrix(), p[1].matrix())
                return compute.gated(
                    compute.operand(x[0], for: gate, up), gate: gate, up: up, activation: activation,
                    tape: tape)
            },
            reference: { _, x, p in
                map(x[0]) { _, x in
                    let (g, u) = (DoubleReference.product(p[0], x), DoubleReference.product(p[1], x))
                    return zip(g, u).map { gate, up -> Double in
                        up * (activation == .silu ? Reference.silu(gate) : Reference.gelu(gate))
                    }
                }
            })
    }

    /// x + y + x: an input that is used twice.
    static let add = OperationCase(
        name: "add", inputs: [7, 7],
        run: { compute, _, x, _, tape in
            let sum = compute.add(x[0], to: x[1], tape: tape)
            return compute.add(x[0], to: sum, tape: tape)
        },
        reference: { _, x, _ in
            zip(x[0], x[1]).map { x, y -> [[Double]] in
                zip(x, y).map { x, y -> [Double] in zip(x, y).map { 2 * $0 + $1 } }
            }
        })

    static let gather = OperationCase(
        name: "gather", inputs: [5],
        run: { compute, size, x, _, tape in
            compute.gather(x[0], positions: size.length / 3..<(2 * size.length + 2) / 3, tape: tape)
        },
        reference: { size, x, _ in [x[0].flatMap { $0[size.length / 3..<(2 * size.length + 2) / 3] }] })

    static let embed = OperationCase(
        name: "embed", parameters: [(23 * 70, 70)],
        run: { compute, size, _, p, tape in
            compute.embed(
                size.tokens, p[0].matrix(), scale: 1.5,
                layout: compute.layout(sequences: size.sequences, length: size.length), tape: tape)
        },
        reference: { size, _, p in
            size.tokens.map { tokens -> [[Double]] in
                tokens.map { token -> [Double] in
                    let start = Int(token) * 70
                    return p[0][start..<start + 70].map { 1.5 * $0 }
                }
            }
        })

    static func heads(norm: Bool, interleaved: Bool) -> OperationCase {
        let frequencies = RotaryAngles.frequencies(base: 100, head: 8)
        return OperationCase(
            name: "heads" + (norm ? " with norm" : "") + (interleaved ? ", neighbours" : ", halves"),
            inputs: [24], parameters: norm ? [(8, 8)] : [],
            run: { compute, size, x, p, tape in
                let angles = compute.rotaryAngles(
                    layout: compute.layout(sequences: size.sequences, length: size.length),
                    frequencies: frequencies, isInterleaved: interleaved)
                return compute.prepareHeads(
                    x[0], head: 8, norm: p.first?.vector, epsilon: epsilon, rotary: angles, scale: 0.35,
                    tape: tape)
            },
            reference: { _, x, p in
                map(x[0]) { position, x in
                    stride(from: 0, to: x.count, by: 8).flatMap { start -> [Double] in
                        var head = Array(x[start..<start + 8])
                        if let weight = p.first {
                            head = DoubleReference.norm(head, weight, epsilon: epsilon)
                        }
                        return DoubleReference.rotated(
                            head, position: position, frequencies: frequencies, interleaved: interleaved
                        ).map { $0 * Double(0.35 as Float) }
                    }
                }
            })
    }

    /// Four heads of 8 that share two of keys and values.
    static func attention(window: Int?) -> OperationCase {
        OperationCase(
            name: "attention" + (window.map { ", window \($0)" } ?? ""), inputs: [32, 16, 16],
            run: { compute, size, x, _, tape in
                let cache = compute.keyValueCache(
                    sequences: size.sequences, positions: size.length, heads: 2, head: 8)
                return compute.attention(
                    query: x[0], key: x[1], value: x[2], cache: cache, window: window, tape: tape)
            },
            reference: { size, x, _ in
                (0..<size.sequences).map { s in
                    DoubleReference.attention(
                        query: x[0][s], key: x[1][s], value: x[2][s], head: 8, window: window)
                }
            })
    }

    private static func map(_ x: Batch, _ body: (_ position: Int, [Double]) -> [Double]) -> Batch {
        x.map { $0.enumerated().map { body($0.offset, $0.element) } }
    }
}
