/// Why a Hessian has no Cholesky factor, as the end of a sentence about a matrix.
enum HessianFailure: Error, Equatable, CustomStringConvertible {
    /// It is all zero.
    case zero
    /// A value is NaN or infinite.
    case notFinite
    /// It is not positive definite, however it is damped.
    case indefinite

    /// Of inputs.
    var description: String {
        switch self {
        case .zero: "its inputs are all zero"
        case .notFinite: "its input Hessian is not finite"
        case .indefinite: "its input Hessian has no Cholesky factor"
        }
    }

    /// The same of outputs.
    var ofOutputs: String {
        switch self {
        case .zero: "the gradients of its outputs are all zero"
        case .notFinite: "its output Hessian is not finite"
        case .indefinite: "its output Hessian has no Cholesky factor"
        }
    }
}
