void im2col(int c, int h, int w, int k, const float *in, float *out) {
    for (int ch = 0; ch < c; ch++)
        for (int r = 0; r < k; r++)
            for (int s = 0; s < k; s++)
                for (int i = 0; i < h; i++)
                    for (int j = 0; j < w; j++)
                        out[(((ch * k + r) * k + s) * h + i) * w + j] = in[(ch * (h + k - 1) + i + r) * (w + k - 1) + j + s];
}
