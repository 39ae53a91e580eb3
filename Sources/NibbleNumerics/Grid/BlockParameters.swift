/// What a block holds beside the codes of its elements.
struct BlockParameters: Equatable {
    /// The scale, a half: that of all elements, or what those of the parts are multiples of.
    var scale: UInt16
    /// The same of what is subtracted; 0 where the type subtracts nothing.
    var minimum: UInt16 = 0
    /// The multiple of each part; empty where the block is one part.
    var scaleCodes: [Int] = []
    /// The multiple of each part; empty where the block is one part, or nothing is subtracted.
    var minimumCodes: [Int] = []

    /// The scale of a part as it is decoded.
    func scale(of part: Int) -> Float {
        let unit = Half.float(f16: scale)
        return scaleCodes.isEmpty ? unit : unit * Float(scaleCodes[part])
    }

    /// What is subtracted in a part.
    func minimum(of part: Int) -> Float {
        let unit = Half.float(f16: minimum)
        return minimumCodes.isEmpty ? unit : unit * Float(minimumCodes[part])
    }
}

/// A codec whose blocks hold a code for each element, and scales and minima that they are decoded with.
protocol GridCodec: KernelCodec {
    /// What blocks can hold.
    static var grid: GridShape { get }

    /// The bytes of a block.
    ///
    /// - Parameter codes: one for each element, the first level's being 0.
    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8]

    /// What the bytes of a block say beside its codes.
    static func parameters(of block: [UInt8]) -> BlockParameters

    /// The codes that the bytes of a block hold.
    static func codes(of block: [UInt8]) -> [Int]
}

extension GridCodec {
    /// Decodes the bytes of a block.
    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let parameters = parameters(of: block)
        return codes(of: block).enumerated().map { index, code in
            let part = index / grid.partSize
            let scaled = parameters.scale(of: part) * grid.levels.level(code)
            return grid.minima == nil ? scaled : scaled - parameters.minimum(of: part)
        }
    }
}

extension GGMLType {
    /// Its codec, where its blocks have a grid and are written.
    var gridCodec: (any GridCodec.Type)? { (codec as? any GridCodec).map { Swift.type(of: $0) } }
}
