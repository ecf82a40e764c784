package rpc

import (
	"context"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// unary runs a call: authorized, its panic caught, its error sorted.
func (h *handlers) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, h.panicked(info.FullMethod, p)
		}
	}()
	if err := h.keys.authorize(ctx, info.FullMethod, in); err != nil {
		return nil, err
	}
	out, err = next(ctx, in)
	if err != nil {
		// A half-made answer must not go out with an error.
		return nil, h.sorted(info.FullMethod, in, err)
	}
	return out, nil
}

// stream is unary's like for streams.
func (h *handlers) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = h.panicked(info.FullMethod, p)
		}
	}()
	err = next(srv, &authorizedStream{ServerStream: ss, keys: h.keys, method: info.FullMethod})
	return h.sorted(info.FullMethod, nil, err)
}

func (h *handlers) panicked(method string, p any) error {
	h.cfg.Logger.Error("panic in a call", "method", method, "panic", p, "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error of the driver; its log has the stack")
}

// sorted gives the error its code and logs what is our own fault loudly, the
// caller's quietly.
func (h *handlers) sorted(method string, in any, err error) error {
	if err == nil {
		return nil
	}
	err = toStatus(err)
	level := slog.LevelDebug
	switch status.Code(err) {
	case codes.Internal, codes.Unknown:
		level = slog.LevelError
	case codes.Unavailable:
		level = slog.LevelWarn
	}
	args := []any{"method", method, "error", err}
	if m, ok := in.(interface{ GetRunId() string }); ok {
		args = append(args, "run", short(m.GetRunId()))
	}
	h.cfg.Logger.Log(context.Background(), level, "call failed", args...)
	return err
}
