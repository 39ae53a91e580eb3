/// In which form the dear steps of the method are done for a matrix: whole where memory allows, else what it allows.
struct CalibrationForm: Sendable, Equatable {
    /// Bands of rows, of nearly equal height, that output Hessians are of: rows of different bands do not see each other's
    /// errors. 0: there is none.
    var bands = 1
    /// Whether what its inputs lack is measured and made up for.
    var comparesInputs = true

    /// Forms from the best on, each for less memory than the one before.
    ///
    /// - Parameter rows: of the matrix.
    static func forms(rows: Int) -> [CalibrationForm] {
        // A band has some pieces at least.
        let bands = [1, 2, 4, 8, 16].filter { $0 == 1 || rows / $0 >= 128 }
        return bands.map { CalibrationForm(bands: $0) } + [
            CalibrationForm(bands: bands.last ?? 1, comparesInputs: false),
            CalibrationForm(bands: 0, comparesInputs: false),
        ]
    }

    /// Why a part of the method is left out.
    static let reason = "memory does not hold what it needs (--memory)"
}
