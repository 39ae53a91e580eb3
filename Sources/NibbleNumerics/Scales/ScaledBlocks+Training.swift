internal import CKernels

/// A step of training: gradients of scales before it, codes that are held after it.
extension ScaledBlocks {
    /// The gradients of the scales, Σ g q, and the codes q.
    ///
    /// - Parameters:
    ///   - values: blocks of 32, as they were encoded.
    ///   - scales: one for each block, as they were given.
    ///   - gradient: that of the decoded values, `values.count` of them.
    ///   - codes: receives the code of each value, zero's being 0.
    ///   - sums: receives the gradients, summed in Float in one order at every level.
    ///   - level: the instruction level; every level gives the same bits.
    public func scaleGradients(
        _ values: Span<Float>, scales: Span<Float>, gradient: Span<Float>,
        codes: inout MutableSpan<Int8>, into sums: inout MutableSpan<Float>, level: KernelLevel = .best
    ) {
        check(values.count, scales: scales.count)
        check(gradient.count, scales: sums.count)
        precondition(
            gradient.count == values.count && codes.count == values.count,
            "\(gradient.count) gradients and \(codes.count) codes of \(values.count) values")
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        let (type, blocks) = (type.rawValue, scales.count)
        unsafe values.withUnsafeBufferPointer { values in
            unsafe scales.withUnsafeBufferPointer { scales in
                unsafe gradient.withUnsafeBufferPointer { gradient in
                    unsafe codes.withUnsafeMutableBufferPointer { codes in
                        unsafe sums.withUnsafeMutableBufferPointer { sums in
                            guard let x = values.baseAddress, let s = scales.baseAddress,
                                let g = gradient.baseAddress, let q = codes.baseAddress,
                                let out = sums.baseAddress
                            else { return }
                            unsafe nibble_scaled_gradient(type, x, s, g, q, out, blocks, level.number)
                        }
                    }
                }
            }
        }
    }

    /// Holds the codes of values after a step, and has the values follow their scales.
    ///
    /// With u a value in units of the scale before the step:
    ///
    /// - where its nearest code is another than before, it becomes that code, in the middle of its cell: the next change,
    ///   back or on, needs half a step again;
    /// - beyond the first or last code it becomes that code: there is nothing to gather;
    /// - else it stays. All are then multiplied by the scale after the step, so that a new scale changes no code.
    ///
    /// A block whose values would all leave its code of largest magnitude, -8 of Q4_0, keeps it for the one that is
    /// nearest: so the values that the block decodes to give the same block when the codec chooses their scale, which is
    /// then the extreme / -8 to the bit. They can be stored as plain `Float` and be quantized again.
    ///
    /// Blocks whose scale was 0, or has no finite reciprocal, stay as they are.
    ///
    /// - Parameters:
    ///   - values: blocks of 32 after the step of weights.
    ///   - codes: those before it.
    ///   - before: the scales that these are of.
    ///   - after: scales of the same signs.
    ///   - level: the instruction level; every level gives the same bits.
    public func hold(
        _ values: inout MutableSpan<Float>, codes: Span<Int8>, from before: Span<Float>,
        to after: Span<Float>, level: KernelLevel = .best
    ) {
        check(values.count, scales: before.count)
        check(codes.count, scales: after.count)
        precondition(values.count == codes.count, "\(codes.count) codes of \(values.count) values")
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        let (type, blocks) = (type.rawValue, before.count)
        unsafe values.withUnsafeMutableBufferPointer { values in
            unsafe codes.withUnsafeBufferPointer { codes in
                unsafe before.withUnsafeBufferPointer { before in
                    unsafe after.withUnsafeBufferPointer { after in
                        guard let x = values.baseAddress, let q = codes.baseAddress,
                            let old = before.baseAddress, let new = after.baseAddress
                        else { return }
                        unsafe nibble_scaled_hold(type, x, q, old, new, blocks, level.number)
                    }
                }
            }
        }
    }
}
