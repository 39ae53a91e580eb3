// @unchecked: operations only read the values; who changes them does so between passes.
/// A norm's weights or a bias: `count` floats, one a feature.
public struct Vector: @unchecked Sendable {
    /// Features.
    public let count: Int
    /// What training changes through it; nil where it stays as it is.
    public let parameter: Parameter?
    let values: UnsafePointer<Float>
    private let owner: any AnyObject & Sendable

    /// A vector of its own.
    public init(_ values: [Float]) {
        let storage = VectorStorage(values)
        count = values.count
        parameter = nil
        self.values = UnsafePointer(storage.pointer)
        owner = storage
    }

    /// A view of values that belong to `owner`.
    public init(
        count: Int, values: UnsafePointer<Float>, owner: any AnyObject & Sendable, parameter: Parameter? = nil
    ) {
        precondition(parameter.map { $0.count == count } ?? true, "parameter of another size")
        self.count = count
        self.values = values
        self.owner = owner
        self.parameter = parameter
    }

    /// The values.
    public var array: [Float] { Array(UnsafeBufferPointer(start: values, count: count)) }
}

// @unchecked: written by its initializer only.
private final class VectorStorage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>

    init(_ values: [Float]) {
        pointer = .allocate(capacity: max(values.count, 1))
        for (index, value) in values.enumerated() { pointer[index] = value }
    }

    deinit { pointer.deallocate() }
}
