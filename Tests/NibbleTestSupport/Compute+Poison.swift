package import NibbleTensor

extension Compute {
    /// Leaves NaN in the memory that the next tensors are made of.
    package func poison() {
        var buffers: [Buffer] = []
        for exponent in 12..<21 {
            for eighths in 8..<16 {
                let size = (eighths << exponent) / 8
                for _ in 0..<2 {
                    let buffer = pool.take(bytes: size)
                    buffer.pointer.initializeMemory(as: UInt8.self, repeating: 0xFF, count: size)
                    buffers.append(buffer)
                }
            }
        }
    }
}
