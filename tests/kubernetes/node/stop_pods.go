package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// newStopPodsCommand removes every pod of a container runtime, as the kubelet would, so that the network plugins take
// their links and addresses back. Pods outlive the kubelet and containerd both: nothing else ends them.
func newStopPodsCommand() *cobra.Command {
	var endpoint string
	var deadline time.Duration
	command := &cobra.Command{
		Use:          "stop-pods",
		Short:        "End and remove every pod of a container runtime",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			defer cancel()
			connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return err
			}
			defer connection.Close()
			return stopPods(ctx, cri.NewRuntimeServiceClient(connection))
		},
	}
	command.Flags().StringVar(&endpoint, "endpoint", "", "the runtime's socket, unix:///path")
	command.Flags().DurationVar(&deadline, "deadline", 30*time.Second, "how long the whole may take")
	return command
}

func stopPods(ctx context.Context, runtime cri.RuntimeServiceClient) error {
	containers, err := runtime.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	stopping := each(containers.Containers, func(c *cri.Container) error {
		// A timeout of 0 kills at once: the state is thrown away, nothing needs time to end well.
		_, err := runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: c.Id})
		return err
	})
	pods, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return errors.Join(stopping, fmt.Errorf("listing pods: %w", err))
	}
	removing := each(pods.Items, func(p *cri.PodSandbox) error {
		_, stop := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.Id})
		_, remove := runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.Id})
		return errors.Join(stop, remove)
	})
	return errors.Join(stopping, removing)
}

// each does the work on all items at once and gathers what went wrong.
func each[T any](items []T, work func(T) error) error {
	var group sync.WaitGroup
	failures := make([]error, len(items))
	for i, item := range items {
		group.Go(func() { failures[i] = work(item) })
	}
	group.Wait()
	return errors.Join(failures...)
}
