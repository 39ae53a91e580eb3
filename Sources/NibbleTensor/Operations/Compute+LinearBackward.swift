extension Compute {
    /// The gradients of y = W x: dx = Wᵀ dy to the adjoint of `x`, and dW = dy xᵀ where W has a parameter.
    func linearBackward(
        _ x: Tensor, _ weight: Matrix, dy: Tensor, _ adjoints: inout Adjoints, _ gradients: Gradients
    ) {
        let (dx, accumulates) = adjoints.target(x)
        let transposed = WeightColumns(weight, compute: self)
        let operand = Operand(dy, kernels: hasBF16 ? [.bf16] : [], compute: self)
        let blocks = transposed.blocks
        // Where blocks are few, panels are shared out too, so that all threads have work.
        let groups = min(dy.layout.panels, max(1, (4 * workers.count + blocks - 1) / blocks))
        workers.forEach(blocks * groups) { job in
            let (block, group) = (job / groups, job % groups)
            let panels = dy.layout.panels
            for panel in panels * group / groups..<panels * (group + 1) / groups {
                transposed.multiply(
                    rows: weight.rows, dy.panel(panel), pairs: operand.pairs(panel: panel),
                    width: dy.layout.width, block: block, into: dx.panel(panel), accumulates: accumulates)
            }
        }
        if let parameter = weight.parameter {
            if let observe = gradients.observeOutputs { return observe(parameter, dy) }
            let (target, accumulates) = gradients.target(parameter)
            addWeightGradient(TokenRows(dy, compute: self), x, to: target, accumulates: accumulates)
            gradients.finish(parameter)
        }
    }

    /// dW (+)= dy xᵀ, `[features of dy][features of x]`.
    ///
    /// - Parameter isSymmetric: whether the product is; then what lies below its diagonal is left out.
    func addWeightGradient(
        _ dy: TokenRows, _ x: Tensor, to target: UnsafeMutablePointer<Float>, accumulates: Bool,
        isSymmetric: Bool = false
    ) {
        let columns = TokenColumns(x, compute: self)
        let height = TokenColumns.mostRows
        let slabs = (dy.features + height - 1) / height
        let groups = columns.groups
        // Some groups of columns for each job, so that the rows stay in the first cache.
        let parts = min(groups, max(1, (4 * workers.count + slabs - 1) / slabs))
        workers.forEach(slabs * parts) { job in
            let rows = job / parts * height..<min((job / parts + 1) * height, dy.features)
            let (part, start) = (job % parts, isSymmetric ? rows.lowerBound / TokenColumns.width : 0)
            let end = groups * (part + 1) / parts
            columns.multiply(
                dy, rows: rows, groups: min(max(groups * part / parts, start), end)..<end, into: target,
                accumulates: accumulates)
        }
    }
}
