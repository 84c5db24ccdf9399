// Included after fused.cu: launches a kernel by its name, with the addresses of its arguments.
extern "C" void launch(const char *name, const int grid[3], int size, void **arguments) {
    if (!std::strcmp(name, "features"))
        run(features, grid, size, arguments);
    else if (!std::strcmp(name, "mapping"))
        run(mapping, grid, size, arguments);
    else
        run(upscale, grid, size, arguments);
}
