internal import NibbleNumerics
package import NibbleTensor

// @unchecked: tests change the values between passes.
/// Values of a parameter, as the matrix or the vector that an operation takes.
package final class ParameterValues: @unchecked Sendable {
    /// What their gradient is keyed by.
    package let parameter: Parameter
    /// `[rows][columns]`
    package let values: UnsafeMutableBufferPointer<Float>
    /// Elements of a row.
    package let columns: Int

    /// A copy of `values`.
    package init(name: String, columns: Int, values: [Float]) {
        parameter = Parameter(name: name, count: values.count)
        self.columns = columns
        self.values = .allocate(capacity: values.count)
        _ = self.values.initialize(from: values)
    }

    deinit { values.deallocate() }

    /// The values as F32 weights, with another parameter where one is given.
    package func matrix(_ other: Parameter? = nil) -> Matrix {
        guard
            let matrix = Matrix(
                rows: values.count / columns, columns: columns, type: .f32,
                bytes: UnsafeRawBufferPointer(values), owner: self, parameter: other ?? parameter)
        else { preconditionFailure("F32 rows of \(columns)") }
        return matrix
    }

    /// The values as a norm or a bias.
    package var vector: Vector {
        guard let start = values.baseAddress else { preconditionFailure("no values") }
        return Vector(
            count: values.count, values: UnsafePointer(start), owner: self, parameter: parameter)
    }
}
