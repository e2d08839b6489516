void sobel(int w, int h, const unsigned char *in, unsigned char *out) {
    for (int y = 1; y < h - 1; y++)
        for (int x = 1; x < w - 1; x++) {
            int gx = in[(y-1)*w + x+1] + 2*in[y*w + x+1] + in[(y+1)*w + x+1]
                   - in[(y-1)*w + x-1] - 2*in[y*w + x-1] - in[(y+1)*w + x-1];
            if (gx < 0) gx = -gx;
            out[y*w + x] = gx > 255 ? 255 : gx;
        }
}
