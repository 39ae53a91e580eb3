import NibbleTestSupport

/// Rows for comparing implementations: ordinary ones and every edge that a quantizer has.
enum Rows {
    /// `columns` values each.
    static func all(columns: Int, seed: UInt64) -> [[Float]] {
        var random = SeededGenerator(seed: seed)
        func row(_ value: (Int) -> Float) -> [Float] { (0..<columns).map(value) }
        var rows: [[Float]] = [
            row { _ in 0 }, row { _ in -0.0 }, row { $0.isMultiple(of: 2) ? 0 : -0.0 },
            row { _ in 0.3 }, row { _ in -0.3 }, row { $0.isMultiple(of: 2) ? 1.5 : -1.5 },
            row { Float($0 % 33 - 16) / 32 }, row { Float(16 - $0 % 33) / 32 },
            row { Float($0 % 17 - 8) / 16 }, row { Float($0 % 31) - 15 }, row { Float($0 % 255 - 127) / 2 },
            row { $0 == columns / 3 ? 60000 : 0 }, row { $0 == columns - 1 ? -1e-3 : 0 },
        ]
        for exponent in [
            -149, -140, -130, -127, -126, -100, -60, -50, -49, -30, -25, -24, -15, -10, 0, 10, 11,
        ] {
            let scale = Float(sign: .plus, exponent: exponent, significand: 1)
            rows.append(row { _ in random.normal() * scale })
            rows.append(row { _ in Float(Int(random.next() % 17)) * scale })
        }
        rows.append(row { _ in 1 + random.uniform() })
        rows.append(row { _ in -1 - random.uniform() })
        rows.append(row { _ in -1000 + random.uniform() * 0x1p-10 })
        // Magnitudes that differ from element to element, sub-block to sub-block.
        rows.append(
            row { _ in
                random.normal() * Float(sign: .plus, exponent: -Int(random.next() % 40), significand: 1)
            })
        rows.append(row { random.normal() * Float(sign: .plus, exponent: -($0 / 16 % 20), significand: 1) })
        rows.append(row { $0 / 32 % 2 == 0 ? -60000 : -476 - Float($0 % 2) * 0x1p-15 })
        rows.append(row { $0 / 32 % 3 == 0 ? 0 : random.normal() })
        rows.append(row { $0 / 16 % 2 == 0 ? 0 : random.normal() })
        // Values that were rounded to few bits: many exact ties.
        for bits: UInt32 in [13, 16, 18, 20] {
            rows.append(row { _ in Float(bitPattern: (random.normal() * 0.05).bitPattern & ~0 << bits) })
        }
        // Any finite number up to 2^15.
        rows.append(
            row { _ in
                let bits = random.next()
                return Float(
                    bitPattern: UInt32(truncatingIfNeeded: bits) & 0x807F_FFFF | UInt32(bits >> 32) % 142
                        << 23)
            })
        for _ in 0..<24 { rows.append(random.normal(columns, scale: 0.05)) }
        for _ in 0..<4 { rows.append(row { _ in random.normal() / max(random.uniform(), 0.01) }) }
        return rows
    }

    /// Importance vectors: ordinary, with zeros, all zero, of very different sizes.
    static func importance(columns: Int, seed: UInt64) -> [[Float]] {
        var random = SeededGenerator(seed: seed)
        return [
            (0..<columns).map { _ in random.uniform() },
            (0..<columns).map { _ in random.uniform() < 0.3 ? 0 : random.uniform() * random.uniform() * 100 },
            (0..<columns).map { $0 / 32 % 3 == 1 ? 0 : random.uniform() },
            [Float](repeating: 0, count: columns),
            [Float](repeating: 1, count: columns),
            (0..<columns).map { _ in Float(sign: .plus, exponent: -Int(random.next() % 50), significand: 1) },
        ]
    }
}
