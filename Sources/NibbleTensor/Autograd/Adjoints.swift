/// Gradients of activations on their way back: of every tensor the sum over the operations that took it.
public struct Adjoints {
    private var byTensor: [ObjectIdentifier: Tensor] = [:]
    private let compute: Compute

    init(compute: Compute) { self.compute = compute }

    /// Removes and returns the gradient of a tensor; nil where none has reached it.
    mutating func take(_ tensor: Tensor) -> Tensor? { byTensor.removeValue(forKey: ObjectIdentifier(tensor)) }

    /// Adds a gradient, of which nobody else holds the memory.
    mutating func add(_ gradient: Tensor, to tensor: Tensor) {
        precondition(
            gradient.features == tensor.features && gradient.layout == tensor.layout,
            "gradient of another shape")
        if let sum = byTensor[ObjectIdentifier(tensor)] {
            compute.add(gradient, to: sum)
        } else {
            byTensor[ObjectIdentifier(tensor)] = gradient
        }
    }

    /// The gradient of a tensor to add to. It is arbitrary where `accumulates` is false: then all values have to be set.
    mutating func target(_ tensor: Tensor) -> (gradient: Tensor, accumulates: Bool) {
        if let sum = byTensor[ObjectIdentifier(tensor)] { return (sum, true) }
        let gradient = compute.tensor(features: tensor.features, layout: tensor.layout)
        byTensor[ObjectIdentifier(tensor)] = gradient
        return (gradient, false)
    }
}
