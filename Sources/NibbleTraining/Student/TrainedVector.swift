public import NibbleCheckpoint
public import NibbleTensor

// @unchecked: as TrainedMatrix.
/// A norm or bias that is trained, in the model's convention: with one added where the hub leaves that to the model.
public final class TrainedVector: @unchecked Sendable {
    /// What it is for.
    public let role: TensorRole
    /// Its GGUF name.
    public let name: String
    /// Features.
    public let count: Int
    /// What gradients are keyed by.
    public let parameter: Parameter
    let masters: Memory
    let firstMoments: Memory
    let secondMoments: Memory

    init(role: TensorRole, name: String, values: [Float]) {
        self.role = role
        self.name = name
        count = values.count
        parameter = Parameter(name: name, count: values.count)
        masters = Memory(byteCount: values.count * 4)
        firstMoments = Memory(byteCount: values.count * 4)
        secondMoments = Memory(byteCount: values.count * 4)
        for (index, value) in values.enumerated() { masters.floats[index] = value }
    }

    /// The values.
    public var values: [Float] { Array(UnsafeBufferPointer(start: masters.floats, count: count)) }

    var vector: Vector {
        Vector(count: count, values: UnsafePointer(masters.floats), owner: masters, parameter: parameter)
    }
}
