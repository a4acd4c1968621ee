"""The benchmark: rate, distortion and speed of this codec and its peers, as one JSON file and as a page.

In order of work:

data (pictures) -> codecs, avif10, zoo (one interface) -> metrics -> run (every picture x codec x quality) -> bdrate ->
speed, cold, stages (times) -> session (all of this, once) -> record (the JSON file) -> summary (its tables as text),
figure (as Markdown and a picture), report (the page), compare (two files), gate (for CI). Beside them: judge (the quick
verdict on a model), pairs (sheets for looking).

    python -m benchmarks run --images kodak --codecs aec,jpeg,webp,avif,jxl --out RUN.json
    python -m benchmarks judge FOLDER --model FILE
    python -m benchmarks pairs FOLDER -o SHEETS
    python -m benchmarks report RUN.json -o page.html
    python -m benchmarks compare OLD.json NEW.json
    python -m benchmarks gate

Conventions:
- bpp is 8 * size of the whole file in bytes / (width * height), of files that really are written and decoded.
- PSNR is over all three channels of 8-bit RGB; `psnr_y` over unrounded full-range BT.601 luma. MS-SSIM is over RGB;
  where curves need it in dB it is -10 log10(1 - MS-SSIM). SSIMULACRA2 is the score of its library.
- Butteraugli is the 3-norm that `butteraugli_main --pnorm 3` prints, at its 80 nits; on curves -10 log10 of it. CVVDP
  is in JOD, of a still picture on its `standard_4k` display. IW-SSIM is over luma, on curves in dB as MS-SSIM.
  PSNR-HVS-M is over unrounded full-range BT.601 luma.
- Means over a set are arithmetic means of per-picture values (of bpp, dB, MS-SSIM), at equal quality settings.
- BD-rate is the mean difference in log-rate over the range of the metric that both curves cover; nothing is
  extrapolated. Of single pictures the mean is one of ratios, its interval holds 95 % of the means of sets drawn from
  the pictures with repetition, and the worst are the 5 % with the greatest values.
- A measure that a model was trained on (its weight file's objective says so) is marked and leads nothing.
- Pictures are compared as 8-bit RGB without metadata. One thread per process while points are measured, so that they
  come out the same anywhere.
- Times: warm ones exclude start-up, reading and writing; cold ones are those of a whole new process. No time is
  compared across runs, only its ratio to WebP and AVIF in the same run.
"""
