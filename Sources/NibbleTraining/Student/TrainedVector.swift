public import NibbleCheckpoint
public import NibbleTensor

// @unchecked: as TrainedMatrix.
/// A norm or bias that is trained, as the model computes with it.
public final class TrainedVector: @unchecked Sendable {
    /// What it is for.
    public let role: TensorRole
    /// Its GGUF name.
    public let name: String
    /// Features.
    public let count: Int
    /// What gradients are keyed by.
    public let parameter: Parameter
    /// What the model adds to the values of a hub folder.
    private let hubOffset: Float
    let masters: Memory
    let firstMoments: Memory
    let secondMoments: Memory

    init(role: TensorRole, name: String, values: [Float], hubOffset: Float) {
        self.hubOffset = hubOffset
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

    /// Rounds values to those that come back from a hub folder, which holds Gemma's norms less one: below 1/2 a `Float`
    /// has bits that are lost on that way.
    func settle() {
        guard hubOffset != 0 else { return }
        for index in 0..<count { masters.floats[index] = (masters.floats[index] - hubOffset) + hubOffset }
    }

    var vector: Vector {
        Vector(count: count, values: UnsafePointer(masters.floats), owner: masters, parameter: parameter)
    }
}
