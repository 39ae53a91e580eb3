package import NibbleCheckpoint
package import NibbleTensor

/// Activations of a text, of each sequence `features` values a token, as often as there are levels: in a scratch file, or
/// in memory that holds them.
package struct StreamStore {
    /// Values of a token.
    let features: Int
    private let place: Place
    private let compute: Compute
    /// Tokens of a sequence.
    private let length: Int
    /// Sequences of a level.
    private let count: Int

    private enum Place {
        case file(ScratchFile)
        case memory(Memory)
    }

    /// Activations in the file at `path`, which is created, or opened where it is of the same shape.
    init(
        path: String, features: Int, length: Int, sequences: Int, compute: Compute
    ) throws(CheckpointError) {
        place = .file(try ScratchFile(path: path))
        (self.features, self.length, count) = (features, length, sequences)
        self.compute = compute
    }

    /// Activations in a file without a name, which is gone with this.
    ///
    /// - Parameter path: a name that nothing has, in the folder whose disk is to hold it.
    package init(
        unnamedAt path: String, features: Int, length: Int, sequences: Int, compute: Compute
    ) throws(CheckpointError) {
        place = .file(try ScratchFile(unnamedAt: path))
        (self.features, self.length, count) = (features, length, sequences)
        self.compute = compute
    }

    /// Activations in memory, zero at first.
    package init(features: Int, length: Int, sequences: Int, levels: Int, compute: Compute) {
        let bytes = Self.byteCount(features: features, length: length, compute)
        place = .memory(Memory(byteCount: levels * sequences * bytes))
        (self.features, self.length, count) = (features, length, sequences)
        self.compute = compute
    }

    /// Whether they are there for another process.
    var outlivesProcess: Bool { if case .file = place { true } else { false } }

    /// Bytes of a sequence.
    private var stride: Int { Self.byteCount(features: features, length: length, compute) }

    /// Bytes that a sequence takes.
    package static func byteCount(features: Int, length: Int, _ compute: Compute) -> Int {
        let layout = compute.layout(sequences: 1, length: length)
        return 4 * features * layout.width * layout.panels
    }

    /// Writes the activations of sequences from `first` on.
    package func write(_ x: Tensor, level: Int = 0, first: Int) throws(CheckpointError) {
        precondition(
            x.features == features && x.layout.length == length && first + x.layout.sequences <= count,
            "\(x.layout.sequences) sequences from \(first) on do not fit")
        let (offset, bytes) = ((level * count + first) * stride, UnsafeRawBufferPointer(x.bytes))
        switch place {
        case .file(let file): try file.write(bytes, at: offset, compute)
        case .memory(let memory):
            compute.copy(bytes, to: memory.slice(offset..<offset + bytes.count))
        }
    }

    /// The activations of some sequences.
    package func read(level: Int = 0, _ sequences: Range<Int>) throws(CheckpointError) -> Tensor {
        let x = compute.tensor(
            features: features, layout: compute.layout(sequences: sequences.count, length: length))
        let offset = (level * count + sequences.lowerBound) * stride
        switch place {
        case .file(let file): try file.read(into: x.bytes, at: offset, compute)
        case .memory(let memory):
            compute.copy(
                UnsafeRawBufferPointer(memory.slice(offset..<offset + x.bytes.count)), to: x.bytes)
        }
        return x
    }
}

extension Compute {
    /// Copies bytes on all threads.
    fileprivate func copy(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) {
        forEachRows(in: 0..<source.count, height: 1 << 20) { range in
            UnsafeMutableRawBufferPointer(rebasing: target[range]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[range]))
        }
    }
}
