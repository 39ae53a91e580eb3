import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Synchronization
import Testing

@Suite("Tensors")
struct TensorTests {
    @Test("a layout has whole panels for each sequence")
    func layout() {
        let layout = PanelLayout(width: 32, sequences: 3, length: 70)
        #expect(layout.panelsPerSequence == 3 && layout.panels == 9 && layout.tokens == 210)
        #expect(layout.place(sequence: 0, position: 0) == (0, 0))
        #expect(layout.place(sequence: 1, position: 31) == (3, 31))
        #expect(layout.place(sequence: 2, position: 69) == (8, 5))
        #expect(PanelLayout(width: 16, sequences: 1, length: 16).panels == 1)
        #expect(PanelLayout(width: 16, sequences: 1, length: 17).panels == 2)
    }

    @Test("panels are as wide as the products want", arguments: Precision.supported)
    func widths(precision: Precision) {
        let compute = Compute(threads: 1, precision: precision)
        for (length, width) in [(1, 16), (16, 16), (17, 32), (33, 32), (128, 32), (1000, 32)] {
            let layout = compute.layout(sequences: 2, length: length)
            #expect(layout.width == width)
            #expect(layout.length == length && layout.sequences == 2)
        }
    }

    @Test("kernels are chosen by type, precision and level")
    func kernels() {
        let f32 = Compute(threads: 1, precision: .f32)
        #expect(GGMLType.readable.allSatisfy { f32.kernel(for: $0, columns: 256) == .f32 })
        if Precision.bf16.isSupported {
            let bf16 = Compute(threads: 1, precision: .bf16, level: .scalar)
            #expect(GGMLType.readable.allSatisfy { bf16.kernel(for: $0, columns: 256) == .bf16 })
            #expect(Compute(threads: 1, level: .scalar).kernel(for: .q4_0, columns: 256) == .f32)
        }
        let product: ProductKernel = Precision.fasterFloat == .bf16 ? .bf16 : .f32
        let automatic = Compute(threads: 1)
        for type in GGMLType.readable {
            let hasCodes = Precision.hasInt8 && GGMLType.withByteCodes.contains(type)
            #expect(automatic.kernel(for: type, columns: 256) == (hasCodes ? .int8 : product))
        }
        #expect(automatic.kernel(for: .q4_0, columns: 48) == product)
    }

    @Test("BF16 is the faster with tiles, and with dot products of other makers than Intel")
    func fasterFloat() {
        for (dot, tiles, intel, expected) in [
            (false, false, false, Precision.f32), (false, false, true, .f32), (true, false, false, .bf16),
            (true, false, true, .f32), (true, true, true, .bf16), (true, true, false, .bf16),
        ] {
            #expect(Precision.fasterFloat(hasDot: dot, hasTiles: tiles, isIntel: intel) == expected)
        }
    }

    @Test("columns come back as they were set, and nothing else changes")
    func columns() {
        let compute = Compute(threads: 1, precision: .f32)
        let batch = randomBatch(sequences: 3, length: 37, features: 5, seed: 1)
        let x = compute.tensor(batch)
        #expect(x.batch == batch)
        #expect(x.isFinite)
        let last = batch[1][36]
        x.setColumn(sequence: 1, position: 36, to: [1, 2, 3, 4, .nan].span)
        #expect(!x.isFinite)
        x.setColumn(sequence: 1, position: 36, to: last.span)
        #expect(x.batch == batch)
        x.setColumn(sequence: 2, position: 0, to: [1, 2, -.infinity, 4, 5].span)
        #expect(!x.isFinite)
        x.fill(2)
        #expect(x.isFinite && x.batch.joined().joined().allSatisfy { $0 == 2 })
    }

    @Test("gathering takes some positions of every sequence, and repeats the last for padding")
    func gather() {
        for precision in Precision.supported {
            let compute = Compute(threads: 2, precision: precision)
            let batch = randomBatch(sequences: 3, length: 37, features: 5, seed: 2)
            let x = compute.tensor(batch)
            for range in [0..<1, 0..<37, 30..<37, 36..<37, 5..<24] {
                compute.poison()
                let y = compute.gather(x, positions: range)
                #expect(y.layout.sequences == 1 && y.layout.length == 3 * range.count)
                let expected = batch.flatMap { $0[range] }
                #expect(y.batch == [expected])
                let width = y.layout.width
                for panel in 0..<y.layout.panels {
                    for lane in 0..<width {
                        let index = min(panel * width + lane, expected.count - 1)
                        #expect(y.panel(panel)[2 * width + lane] == expected[index][2])
                    }
                }
            }
        }
    }

    @Test("an embedding is the decoded row times the factor", arguments: GGMLType.readable)
    func embed(type: GGMLType) throws {
        let compute = Compute(threads: 2)
        let columns = max(64, type.blockSize)
        let table = try Weights(type, rows: 9, columns: columns, seed: 3)
        let tokens: [[Int32]] = [(0..<35).map { $0 % 9 }, (0..<35).map { 8 - $0 % 9 }]
        let layout = compute.layout(sequences: 2, length: 35)
        compute.poison()
        let x = compute.embed(tokens, table.matrix, scale: 3, layout: layout)
        for (sequence, row) in tokens.enumerated() {
            for (position, token) in row.enumerated() {
                #expect(
                    x.column(sequence: sequence, position: position)
                        == table[Int(token)].map { $0 * 3 })
            }
        }
        #expect((0..<layout.width).allSatisfy { x.panel(layout.panels - 1)[$0].isFinite })
        #expect(table.matrix.row(8) == Array(table[8]))
    }

    @Test("a matrix needs a type with a codec and rows of whole blocks")
    func matrix() {
        let bytes = GuardedBytes([UInt8](repeating: 0, count: 4096))
        func make(_ type: GGMLType, _ columns: Int) -> Matrix? {
            Matrix(rows: 2, columns: columns, type: type, bytes: bytes.bytes, owner: bytes)
        }
        #expect(make(.q4_0, 64) != nil && make(.q4_0, 48) == nil && make(.q4_k, 128) == nil)
        #expect(make(.f16, 3) != nil && make(.q8_k, 256) == nil && make(.i8, 32) == nil)
    }

    @Test("operations of blocks are those of their kernels")
    func blocks() {
        let compute = Compute(threads: 2, precision: .f32)
        let batch = randomBatch(sequences: 2, length: 20, features: 8, seed: 4)
        let other = randomBatch(sequences: 2, length: 20, features: 8, seed: 5)
        let x = compute.tensor(batch)
        compute.add(compute.tensor(other), to: x)
        #expect(x.batch == zip(batch, other).map { zip($0, $1).map { zip($0, $1).map { $0 + $1 } } })
        let weight: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
        let y = compute.normalize(compute.tensor(batch), weight: Vector(weight), epsilon: 1e-5)
        var comparison = Comparison()
        for (found, values) in zip(y.batch.joined(), batch.joined()) {
            let mean = values.reduce(0.0) { $0 + Double($1) * Double($1) } / 8
            for (feature, value) in values.enumerated() {
                let expected = Double(value) * Double(weight[feature]) / (mean + 1e-5).squareRoot()
                comparison.add(found[feature], expected, bound: 10 * Bound.rounding * abs(expected))
            }
        }
        comparison.check()
    }

    @Test("heads are normed, rotated and scaled by their positions", arguments: [false, true])
    func heads(interleaved: Bool) {
        let compute = Compute(threads: 2, precision: .f32)
        let batch = randomBatch(sequences: 2, length: 20, features: 12, seed: 6)
        let frequencies = RotaryAngles.frequencies(base: 10000, head: 4)
        #expect(frequencies == [1, 0.01])
        let norm: [Float] = [1, 2, 3, 4]
        for (start, usesNorm) in [(0, false), (7, true)] {
            let x = compute.tensor(batch)
            let angles = compute.rotaryAngles(
                layout: x.layout, frequencies: frequencies, isInterleaved: interleaved, start: start)
            _ = compute.prepareHeads(
                x, head: 4, norm: usesNorm ? Vector(norm) : nil, epsilon: 1e-6, rotary: angles, scale: 0.5)
            var comparison = Comparison()
            for sequence in 0..<2 {
                for position in 0..<20 {
                    let found = x.column(sequence: sequence, position: position)
                    for head in 0..<3 {
                        var values = batch[sequence][position][4 * head..<4 * head + 4].map(Double.init)
                        if usesNorm {
                            let mean = values.reduce(0) { $0 + $1 * $1 } / 4 + 1e-6
                            values = zip(values, norm).map { $0 * Double($1) / mean.squareRoot() }
                        }
                        for pair in 0..<2 {
                            let (i, j) = interleaved ? (2 * pair, 2 * pair + 1) : (pair, pair + 2)
                            let angle = Double(Float(start + position) * frequencies[pair])
                            let (c, s) = (cos(angle), sin(angle))
                            let size = (abs(values[i]) + abs(values[j])) * 0.5
                            let bound = 16 * Bound.rounding * size
                            comparison.add(
                                found[4 * head + i], (values[i] * c - values[j] * s) * 0.5, bound: bound)
                            comparison.add(
                                found[4 * head + j], (values[j] * c + values[i] * s) * 0.5, bound: bound)
                        }
                    }
                }
            }
            comparison.check()
        }
    }
}

@Suite("Memory and threads")
struct ExecutionTests {
    @Test("a buffer comes back, and two at a time are never the same")
    func pool() {
        let pool = BufferPool()
        var first: UnsafeMutableRawPointer?
        do {
            let buffer = pool.take(bytes: 10000)
            first = buffer.pointer
            #expect(pool.take(bytes: 10000).pointer != buffer.pointer)
        }
        let again = pool.take(bytes: 10000)
        let other = pool.take(bytes: 10000)
        #expect(again.pointer == first || other.pointer == first)
        #expect(again.pointer != other.pointer)
    }

    @Test("buffers are aligned and hold what was asked for")
    func sizes() {
        let pool = BufferPool()
        for bytes in [0, 1, 63, 4095, 4096, 4097, 4608, 4609, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1] {
            let buffer = pool.take(bytes: bytes)
            #expect(Int(bitPattern: buffer.pointer).isMultiple(of: 64))
            let values = buffer.bound(to: UInt8.self)
            for index in 0..<bytes { values[index] = UInt8(truncatingIfNeeded: index) }
        }
    }

    @Test("what nobody uses is given back, what somebody uses stays")
    func release() {
        let pool = BufferPool()
        let kept = pool.take(bytes: 3 << 20)
        let values = kept.bound(to: UInt8.self)
        for index in 0..<3 << 20 { values[index] = UInt8(truncatingIfNeeded: index) }
        let others = [3 << 20, 3 << 20, 5000].map { pool.take(bytes: $0) }
        withExtendedLifetime(others) { #expect(pool.idleBytes == 0) }
        _ = consume others
        #expect(pool.idleBytes == 6 << 20 + 5120)
        pool.releaseIdle()
        #expect(pool.idleBytes == 0)
        let other = pool.take(bytes: 3 << 20)
        #expect(other.pointer != kept.pointer)
        other.bound(to: UInt8.self).update(repeating: 255, count: 3 << 20)
        #expect((0..<3 << 20).allSatisfy { values[$0] == UInt8(truncatingIfNeeded: $0) })
    }

    @Test(
        "memory that is to be zero is, and can be written to its end",
        arguments: [
            1, 4095, SystemMemory.mappedSize - 1, SystemMemory.mappedSize, SystemMemory.mappedSize + 1,
        ])
    func zeros(bytes: Int) {
        for _ in 0..<3 {
            let pointer = SystemMemory.zeros(bytes: bytes)
            let values = UnsafeMutableRawBufferPointer(start: pointer, count: bytes)
            #expect(Int(bitPattern: pointer).isMultiple(of: 64) && values.allSatisfy { $0 == 0 })
            // The next may be the same memory.
            values.initializeMemory(as: UInt8.self, repeating: 1)
            SystemMemory.giveBack(pointer, bytes: bytes)
        }
    }

    @Test("every iteration runs once", arguments: [1, 2, 3, 8])
    func workers(threads: Int) {
        let workers = Workers(count: threads)
        for iterations in [0, 1, 2, 7, 1000] {
            let seen = Mutex([Int](repeating: 0, count: iterations))
            workers.forEach(iterations) { index in seen.withLock { $0[index] += 1 } }
            #expect(seen.withLock { $0.allSatisfy { $0 == 1 } })
        }
    }
}
