/// Gradients by parameter, summed over all that flowed back since ``reset()``.
///
/// Memory is kept from step to step: four bytes for each value of a parameter that a gradient ever reached.
public final class Gradients {
    private var entries: [Parameter: Entry] = [:]
    let compute: Compute

    private struct Entry {
        var buffer: Buffer
        /// Whether `buffer` holds a gradient of this step.
        var isFilled: Bool
    }

    /// Called with the gradient of what a matrix puts out.
    package typealias OutputObservation = (_ matrix: Parameter, _ gradient: Tensor) -> Void

    /// Sees what flows back to the outputs of matrices that are parameters, whose own gradients are then left out.
    let observeOutputs: OutputObservation?

    /// Called when the gradient of a matrix is whole that a pass takes once; true where it is of no more use: its memory then
    /// serves the next.
    package var takeWhole: ((Parameter) -> Bool)?
    /// What was taken since ``reset()``.
    private var taken: Set<Parameter> = []

    /// No gradients yet.
    public init(compute: Compute) {
        self.compute = compute
        observeOutputs = nil
    }

    /// For what matrices put out: of them themselves there will be no gradients.
    package init(compute: Compute, observeOutputs: @escaping OutputObservation) {
        self.compute = compute
        self.observeOutputs = observeOutputs
    }

    /// Forgets the gradients; their memory is used again.
    public func reset() {
        taken = []
        for parameter in entries.keys { entries[parameter]?.isFilled = false }
    }

    /// The gradient of a parameter, or nil where none has reached it since ``reset()``.
    public subscript(parameter: Parameter) -> UnsafeMutableBufferPointer<Float>? {
        guard let entry = entries[parameter], entry.isFilled else { return nil }
        return UnsafeMutableBufferPointer(start: entry.buffer.bound(to: Float.self), count: parameter.count)
    }

    /// Where to add to a parameter's gradient. The memory is arbitrary where `accumulates` is false: then all values
    /// have to be set.
    package func target(_ parameter: Parameter) -> (values: UnsafeMutablePointer<Float>, accumulates: Bool) {
        precondition(!taken.contains(parameter), "the gradient of '\(parameter.name)' was not whole")
        if let entry = entries[parameter] {
            entries[parameter]?.isFilled = true
            return (entry.buffer.bound(to: Float.self), entry.isFilled)
        }
        let buffer = compute.pool.take(bytes: parameter.count * 4)
        entries[parameter] = Entry(buffer: buffer, isFilled: true)
        return (buffer.bound(to: Float.self), false)
    }

    /// Says that the gradient of a parameter is whole, as far as this pass goes.
    func finish(_ parameter: Parameter) {
        guard let takeWhole, takeWhole(parameter) else { return }
        entries[parameter] = nil
        taken.insert(parameter)
    }

    /// Adds values in their order.
    func add(_ values: UnsafePointer<Float>, to parameter: Parameter) {
        let (target, accumulates) = target(parameter)
        for index in 0..<parameter.count {
            target[index] = accumulates ? target[index] + values[index] : values[index]
        }
    }
}
