internal import NibbleNumerics

// @unchecked: passes read the values, and the step between them, which the caller takes, changes them.
/// A small matrix that is trained as it is, with the moments of AdamW: for models that one writes by hand.
///
/// Large ones that are rounded while they are trained are a `Student`'s.
///
/// ```swift
/// let line = Variable("line", rows: 1, columns: 2)
/// let y = compute.linear(compute.operand(x, for: line.matrix), line.matrix, tape: tape)
/// ```
public final class Variable: @unchecked Sendable {
    /// What gradients are keyed by.
    public let parameter: Parameter
    /// The values as operations take them, `[rows, columns]`; they change with ``update(_:by:)``.
    public let matrix: Matrix
    private let storage: UnsafeMutableBufferPointer<Float>
    private var firstMoments: [Float]
    private var secondMoments: [Float]

    /// Creates a matrix of zeros.
    public convenience init(_ name: String, rows: Int, columns: Int) {
        self.init(name, rows: rows, columns: columns, values: [Float](repeating: 0, count: rows * columns))
    }

    /// Creates a matrix of `rows * columns` values, row by row.
    public init(_ name: String, rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) rows of \(columns)")
        let owner = VariableStorage(values)
        let parameter = Parameter(name: name, count: values.count)
        guard
            let matrix = Matrix(
                rows: rows, columns: columns, type: .f32, bytes: UnsafeRawBufferPointer(owner.values),
                owner: owner,
                parameter: parameter)
        else { preconditionFailure("F32 has rows of any length") }
        self.parameter = parameter
        self.matrix = matrix
        storage = owner.values
        firstMoments = [Float](repeating: 0, count: values.count)
        secondMoments = firstMoments
    }

    /// The values, row by row.
    public var values: [Float] { Array(storage) }

    /// Takes a step, where a gradient has reached this variable.
    public func update(_ gradients: Gradients, by step: AdamWStep) {
        guard let gradient = gradients[parameter]?.baseAddress, let weights = storage.baseAddress else {
            return
        }
        firstMoments.withUnsafeMutableBufferPointer { first in
            secondMoments.withUnsafeMutableBufferPointer { second in
                guard let m = first.baseAddress, let v = second.baseAddress else { return }
                step.apply(
                    to: weights, gradient: gradient, m: m, v: v, count: storage.count,
                    compute: gradients.compute)
            }
        }
    }
}

// @unchecked: see Variable.
private final class VariableStorage: @unchecked Sendable {
    let values: UnsafeMutableBufferPointer<Float>

    init(_ values: [Float]) {
        self.values = .allocate(capacity: values.count)
        _ = self.values.initialize(from: values)
    }

    deinit { values.deallocate() }
}
